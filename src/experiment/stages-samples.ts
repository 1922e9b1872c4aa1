// How the stages that let the policy write are made ready to run: pairs for a labeller, and reinforcement.

import type { Adapter } from '../model/lora';
import { rewardFunction, type Scorable } from '../reward';
import type { RewardModel } from '../reward/learned';
import { newTokens } from '../shared/budget';
import { type PairsStage, type PpoStage, type Stage, TOLD_APART } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { explainPpo, ppo, startPpo } from '../train/ppo';
import { startPolicy } from '../train/rows';
import type { SamplingContext } from '../train/rollouts';
import type { TokenNumbers, TrainState } from '../train/state';
import { pairs, pairsCompared, startPairs } from './pairs';
import { explainByLogprobs } from './watch';
import {
  contextOf,
  policiesBefore,
  policyBefore,
  readPrompts,
  rewardModelBefore,
  type RunningStage,
  trained,
  type Workshop,
  writeAdapter,
} from './workshop';

export async function openPairs(workshop: Workshop, index: number, stage: PairsStage): Promise<RunningStage> {
  const { experiment, append } = workshop;
  const context = contextOf(workshop, index);
  const state = startPairs();
  const finish = () => Promise.resolve({});
  // A file of preferences takes the place of the pairs this stage would make.
  if (experiment.data.preferences !== undefined) {
    return { state, totalSteps: 0, steps: async function* () {}, finish, dispose: () => undefined };
  }
  const prompts = await readPrompts(workshop, 'prompts', stage.max_new_tokens);
  const policy = await policyBefore(workshop, index);
  const onPairs = (rows: readonly object[]): Promise<void> => append(`${context.name}.jsonl`, rows);
  return {
    state,
    totalSteps: Math.ceil(stage.count / (TOLD_APART * pairsCompared(stage))),
    steps: () => pairs({ ...context, policy, prompts, onPairs }, stage, state),
    finish,
    dispose: () => policy.dispose(),
  };
}

/** Opens stages that train a policy on what it writes itself: `start` is their state before the first step. */
function openSampling<S extends SamplingStage>(
  start: (
    workshop: Workshop,
    stage: S,
    policy: Adapter,
    rewardModel: RewardModel | null,
  ) => Promise<TrainState>,
  learn: (context: SamplingContext, stage: S, state: TrainState) => AsyncGenerator<MetricsRow>,
  explain: (
    context: SamplingContext,
    stage: S,
    state: TrainState,
    episodes: readonly Scorable[],
  ) => Promise<TokenNumbers[]>,
) {
  return async (workshop: Workshop, index: number, stage: S): Promise<RunningStage> => {
    const { policy, reference } = await policiesBefore(workshop, index);
    const rewardModel = stage.reward.kind === 'model' ? await rewardModelBefore(workshop, index) : null;
    const context: SamplingContext = {
      ...contextOf(workshop, index),
      prompts: await readPrompts(workshop, 'prompts', newTokens(stage)),
      reference,
      reward: rewardFunction(stage.reward, workshop.model, rewardModel, workshop.warn),
    };
    const state = await start(workshop, stage, policy, rewardModel);
    const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
    return {
      state,
      totalSteps: Math.ceil(stage.total_episodes / batchSize),
      steps: () => learn(context, stage, state),
      explain: (episodes) => explain(context, stage, state, episodes),
      finish: async () => {
        await writeAdapter(workshop, context.name, trained(state, 'policy'));
        return {};
      },
      dispose: () => {
        for (const adapter of new Set([policy, reference])) adapter.dispose();
        rewardModel?.adapter.dispose();
      },
    };
  };
}

type SamplingStage = Extract<Stage, { reward: unknown }>;

export const openPpo = openSampling<PpoStage>(
  ({ model }, stage, policy, rewardModel) => startPpo(stage, policy, rewardModel, model.config.width),
  ppo,
  explainPpo,
);

/** The same without a critic. */
export const learningFromSamples = <S extends Exclude<SamplingStage, PpoStage>>(
  learn: (context: SamplingContext, stage: S, state: TrainState) => AsyncGenerator<MetricsRow>,
) =>
  openSampling<S>(
    (_, __, policy) => Promise.resolve(startPolicy(policy)),
    learn,
    ({ model, reference }, _, state, episodes) =>
      explainByLogprobs(model, state.adapters['policy']!, reference, episodes),
  );
