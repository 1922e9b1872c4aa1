// From the stages of an experiment to running ones: what each starts from, the generator that runs it, and what it
// leaves behind.

import { encodeCompletions, encodePreferences } from '../data/examples';
import { parseRows, type PreferenceRow } from '../data/records';
import { readRows } from '../data/sources';
import { splitByPrompt } from '../data/split';
import { shareOf } from '../evaluate/measures';
import type { Adapter } from '../model/lora';
import { rewardFunction } from '../reward';
import type { PairsStage, PpoStage, RewardStage, SftStage, StageOf } from '../shared/experiment';
import type { StageKind } from '../shared/methods';
import { readText } from '../storage/run-store';
import { explainPpo, ppo, startPpo } from '../train/ppo';
import { normalise, pairMetrics, type Preference, reward, scorePairs, startReward } from '../train/reward';
import { sft, startSft } from '../train/sft';
import type { TrainState } from '../train/state';
import { openEvaluation } from './evaluation';
import { pairs, startPairs } from './pairs';
import {
  contextOf,
  givenAdapters,
  lastBefore,
  policyBefore,
  readAdapter,
  readPrompts,
  rewardModelBefore,
  type RunningStage,
  type Workshop,
  writeAdapter,
  writeRewardModel,
} from './workshop';
import { explainByLogprobs } from './watch';

type Opener<K extends StageKind> = (
  workshop: Workshop,
  index: number,
  stage: StageOf<K>,
) => Promise<RunningStage>;

/** The other half of the list of methods (shared/methods.ts): how each is made ready to run. */
const OPENERS: { [K in StageKind]: Opener<K> } = {
  sft: openSft,
  pairs: openPairs,
  reward: openReward,
  ppo: openPpo,
  evaluate: openEvaluation,
};

export function openStage(workshop: Workshop, index: number): Promise<RunningStage> {
  const stage = workshop.experiment.stages[index]!;
  return (OPENERS[stage.kind] as Opener<StageKind>)(workshop, index, stage);
}

async function openSft(workshop: Workshop, index: number, stage: SftStage): Promise<RunningStage> {
  const { experiment, model, readData } = workshop;
  const context = contextOf(workshop, index);
  const source = experiment.data.sft ?? '';
  const rows = await readRows(source, 'prompt-completion', readData);
  const { examples } = encodeCompletions(rows, source, model, { eos: true, truncate: true });
  const split = splitByPrompt(examples, ({ prompt }) => prompt, stage.eval_fraction, experiment.seed);
  const start = await policyBefore(workshop, index);
  const state = startSft(start);
  return {
    state,
    totalSteps: stage.max_steps,
    steps: () => sft({ ...context, ...split }, stage, state),
    explain: (episodes) => explainByLogprobs(model, state.adapters['policy']!, null, episodes),
    finish: async () => {
      await writeAdapter(workshop, context.name, trained(state, 'policy'));
      return {};
    },
    dispose: () => start.dispose(),
  };
}

async function openPairs(workshop: Workshop, index: number, stage: PairsStage): Promise<RunningStage> {
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

async function openReward(workshop: Workshop, index: number, stage: RewardStage): Promise<RunningStage> {
  const { experiment } = workshop;
  const { examples, flipped } = await preferencesFor(workshop, index);
  const split = splitByPrompt(examples, ({ prompt }) => prompt, stage.eval_fraction, experiment.seed);
  const context = { ...contextOf(workshop, index), ...split };
  const policy = await policyBefore(workshop, index);
  const state = startReward(context, policy);
  return {
    state,
    totalSteps: stage.max_steps,
    steps: () => reward(context, stage, state),
    finish: async () => {
      const adapter = trained(state, 'reward');
      await writeRewardModel(workshop, context.name, await normalise(context, adapter, policy));
      if (split.heldOut.length === 0) return {};
      const margins = await scorePairs(context, adapter);
      const groups = new Map<string, boolean[]>();
      split.heldOut.forEach(({ prompt }, i) => {
        groups.set(prompt, [...(groups.get(prompt) ?? []), margins[i]! > 0]);
      });
      const exactly = (value: number) => ({ value, low: value, high: value });
      const found = {
        accuracy: shareOf([...groups.values()], experiment.seed),
        calibration_error: exactly(pairMetrics(margins).eval_calibration_error),
        // Who knew the labeller's mind would still miss the labels flipped at random.
        ...(flipped !== null && { accuracy_ceiling: exactly(1 - flipped) }),
      };
      return { findings: { [context.name]: found } };
    },
    dispose: () => policy.dispose(),
  };
}

async function openPpo(workshop: Workshop, index: number, stage: PpoStage): Promise<RunningStage> {
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

/** The best adapter of a stage that watched for it, else the last. */
function trained({ adapters }: TrainState, name: string): Adapter {
  return adapters['best'] ?? adapters[name]!;
}

/** The file of preferences, or else the pairs of the last pairs stage, token by token as they were sampled. */
async function preferencesFor(
  { experiment, model, store, readData }: Workshop,
  index: number,
): Promise<{ examples: (Preference & { prompt: string })[]; flipped: number | null }> {
  const { preferences } = experiment.data;
  if (preferences !== undefined) {
    const rows = await readRows(preferences, 'preference', readData);
    return { examples: encodePreferences(rows, preferences, model).examples, flipped: flippedShare(rows) };
  }
  const file = `${lastBefore(experiment, index, 'pairs')}.jsonl`;
  const rows = parseRows((await readText(store, file)) ?? '', file, 'preference');
  const examples = rows.map(({ prompt, chosen, rejected, fields }) => ({
    prompt: String(fields['prompt']),
    chosen: sequence(prompt, chosen),
    rejected: sequence(prompt, rejected),
  }));
  return { examples, flipped: flippedShare(rows) };
}

/** Unlike TRL's text pairs, a completion that was cut off gets no EOS: the model is to see it as PPO will show it. */
function sequence(prompt: string | readonly number[], completion: string | readonly number[]) {
  const ids = [...(prompt as readonly number[]), ...(completion as readonly number[])];
  return { ids, promptLength: prompt.length };
}

/** Share of labels that a labeller is known to have flipped (`flipped` in every row), null where nobody knows. */
function flippedShare(rows: readonly PreferenceRow[]): number | null {
  const flips = rows.map(({ fields }) => fields['flipped']);
  return flips.every((flip) => typeof flip === 'boolean')
    ? flips.filter(Boolean).length / flips.length
    : null;
}
