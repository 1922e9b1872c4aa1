// How the stages that let the policy write are made ready to run: pairs for a labeller, and reinforcement.

import { rewardFunction } from '../reward';
import type { PairsStage, PpoStage, Stage } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { explainPpo, ppo, startPpo } from '../train/ppo';
import { startPolicy } from '../train/preference';
import type { SamplingContext } from '../train/rollouts';
import type { TrainState } from '../train/state';
import { pairs, startPairs } from './pairs';
import { explainByLogprobs } from './watch';
import {
  contextOf,
  givenAdapters,
  lastBefore,
  policyBefore,
  readAdapter,
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
    // About one pair in four is a tie.
    totalSteps: Math.ceil(stage.count / 24),
    steps: () => pairs({ ...context, policy, prompts, onPairs }, stage, state),
    finish,
    dispose: () => policy.dispose(),
  };
}

export async function openPpo(workshop: Workshop, index: number, stage: PpoStage): Promise<RunningStage> {
  const { experiment, model } = workshop;
  const context = contextOf(workshop, index);
  const prompts = await readPrompts(workshop, 'prompts', stage.response_length);
  const reference = await policyBefore(workshop, index);
  const rewardModel = stage.reward.kind === 'model' ? await rewardModelBefore(workshop, index) : null;
  const score = rewardFunction(stage.reward, model, rewardModel);
  // Only the first PPO stage goes on from a given policy: a later one has the policy of the one before.
  const given = 'policy' in givenAdapters(experiment) && lastBefore(experiment, index, 'ppo') === null;
  const policy = given ? await readAdapter(workshop, 'policy') : reference;
  const state = await startPpo(stage, policy, rewardModel, model.config.width);
  if (given) policy.dispose();
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const own = { ...context, prompts, reference, reward: score };
  return {
    state,
    totalSteps: Math.ceil(stage.total_episodes / batchSize),
    steps: () => ppo(own, stage, state),
    explain: (episodes) => explainPpo(own, stage, state, episodes),
    finish: async () => {
      await writeAdapter(workshop, context.name, trained(state, 'policy'));
      return {};
    },
    dispose: () => {
      reference.dispose();
      rewardModel?.adapter.dispose();
    },
  };
}

/** Opens stages that train a policy, without a critic, on what it writes itself. */
export function learningFromSamples<S extends Exclude<Extract<Stage, { reward: unknown }>, PpoStage>>(
  learn: (context: SamplingContext, stage: S, state: TrainState) => AsyncGenerator<MetricsRow>,
) {
  return async (workshop: Workshop, index: number, stage: S): Promise<RunningStage> => {
    const { model } = workshop;
    const context = contextOf(workshop, index);
    const longest = 'max_new_tokens' in stage ? stage.max_new_tokens : stage.max_completion_length;
    const prompts = await readPrompts(workshop, 'prompts', longest);
    const reference = await policyBefore(workshop, index);
    const rewardModel = stage.reward.kind === 'model' ? await rewardModelBefore(workshop, index) : null;
    const reward = rewardFunction(stage.reward, model, rewardModel);
    const state = startPolicy(reference);
    const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
    return {
      state,
      totalSteps: Math.ceil(stage.total_episodes / batchSize),
      steps: () => learn({ ...context, prompts, reference, reward }, stage, state),
      explain: (episodes) => explainByLogprobs(model, state.adapters['policy']!, reference, episodes),
      finish: async () => {
        await writeAdapter(workshop, context.name, trained(state, 'policy'));
        return {};
      },
      dispose: () => {
        reference.dispose();
        rewardModel?.adapter.dispose();
      },
    };
  };
}
