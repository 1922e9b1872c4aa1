// How the stages that learn from rows of data are made ready to run: demonstrations, pairs, labelled completions.

import { joined } from '../data/batches';
import { encodeCompletions, encodePreferences, encodeText } from '../data/examples';
import { parseRows, type PreferenceRow } from '../data/records';
import { readRows } from '../data/sources';
import { splitByPrompt } from '../data/split';
import { shareOf } from '../evaluate/measures';
import type { Adapter } from '../model/lora';
import { PlaygroundError } from '../shared/errors';
import type { RewardStage, SftStage, Stage, StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { readText } from '../storage/run-store';
import type { Labelled } from '../train/kto';
import { type Preference, startPolicy } from '../train/preference';
import { pretrain } from '../train/pretrain';
import { normalise, pairMetrics, reward, scorePairs, startReward } from '../train/reward';
import { sft, startSft } from '../train/sft';
import type { StageContext, TrainState } from '../train/state';
import { explainByLogprobs } from './watch';
import {
  contextOf,
  lastBefore,
  policiesBefore,
  policyBefore,
  type RunningStage,
  trained,
  type Workshop,
  writeAdapter,
  writeRewardModel,
} from './workshop';

type PreferenceExample = Preference & { prompt: string };

export async function openPretrain(
  workshop: Workshop,
  index: number,
  stage: StageOf<'pretrain'>,
): Promise<RunningStage> {
  const { experiment, model, readData } = workshop;
  const context = contextOf(workshop, index);
  if (stage.max_length > model.config.context) {
    throw new PlaygroundError(
      'too-long',
      `rows of ${stage.max_length} tokens are longer than the context of ${model.name}, ${model.config.context}`,
      'Lower max_length.',
    );
  }
  const source = experiment.data.text ?? '';
  const rows = await readRows(source, 'language-modeling', readData);
  const split = splitByPrompt(rows, () => '', stage.eval_fraction, experiment.seed);
  const start = await policyBefore(workshop, index);
  const state = startPolicy(start);
  const encode = (row: (typeof rows)[number]): number[] => encodeText(row, source, model);
  return {
    state,
    totalSteps: stage.max_steps,
    steps: () => pretrain({ ...context, ...split, encode }, stage, state),
    explain: (episodes) => explainByLogprobs(model, state.adapters['policy']!, null, episodes),
    finish: async () => {
      await writeAdapter(workshop, context.name, trained(state, 'policy'));
      return {};
    },
    dispose: () => start.dispose(),
  };
}

export async function openSft(workshop: Workshop, index: number, stage: SftStage): Promise<RunningStage> {
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

export async function openReward(
  workshop: Workshop,
  index: number,
  stage: RewardStage,
): Promise<RunningStage> {
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
      const scaled = await normalise(context, adapter, policy, stage.normalise_samples);
      await writeRewardModel(workshop, context.name, scaled);
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

/** What a stage gets that has nothing but rows to learn from. */
type RowContext<R> = StageContext & { train: readonly R[]; heldOut: readonly R[]; reference: Adapter };

/** Opens stages that train a policy on rows: `read` finds these, and all rows of a prompt are held out together. */
export function learningFrom<
  R extends { prompt: string },
  S extends Extract<Stage, { eval_fraction: number }>,
>(
  read: (workshop: Workshop, index: number) => Promise<R[]>,
  learn: (context: RowContext<R>, stage: S, state: TrainState) => AsyncGenerator<MetricsRow>,
) {
  return async (workshop: Workshop, index: number, stage: S): Promise<RunningStage> => {
    const { experiment, model } = workshop;
    const context = contextOf(workshop, index);
    const rows = await read(workshop, index);
    const split = splitByPrompt(rows, ({ prompt }) => prompt, stage.eval_fraction, experiment.seed);
    const { policy, reference } = await policiesBefore(workshop, index);
    const state = startPolicy(policy);
    return {
      state,
      totalSteps: stage.max_steps,
      steps: () => learn({ ...context, ...split, reference }, stage, state),
      explain: (episodes) => explainByLogprobs(model, state.adapters['policy']!, reference, episodes),
      finish: async () => {
        await writeAdapter(workshop, context.name, trained(state, 'policy'));
        return {};
      },
      dispose: () => {
        for (const adapter of new Set([policy, reference])) adapter.dispose();
      },
    };
  };
}

/** Pairs for a policy. Throws `bad-data` where texts leave it no prompt to go on from. */
export async function readPreferences(workshop: Workshop, index: number): Promise<PreferenceExample[]> {
  const { examples } = await preferencesFor(workshop, index);
  if (examples.every(({ chosen }) => chosen.promptLength > 0)) return examples;
  throw new PlaygroundError(
    'bad-data',
    'data.preferences has a pair whose texts part at once, so that there is no prompt for the policy to go on from.',
    'Give every row a "prompt" beside "chosen" and "rejected".',
  );
}

/** Completions labelled good or bad: rows with a label as they are, of a pair the chosen one and the rejected one. */
export async function readLabelled(
  workshop: Workshop,
  index: number,
): Promise<(Labelled & { prompt: string })[]> {
  const { experiment, model, readData } = workshop;
  const { preferences: source } = experiment.data;
  const [first] = source === undefined ? [] : await readRows(source, 'any-preference', readData);
  if (source === undefined || !first || !('label' in first)) {
    const pairs = await readPreferences(workshop, index);
    return pairs.flatMap(({ prompt, chosen, rejected }) => [
      { ...chosen, prompt, label: true },
      { ...rejected, prompt, label: false },
    ]);
  }
  const rows = await readRows(source, 'unpaired-preference', readData);
  const { examples } = encodeCompletions(rows, source, model, { eos: true, truncate: true });
  return examples.map((example, i) => ({ ...example, label: rows[i]!.label }));
}

/** The file of preferences, or else the pairs of the last pairs stage, token by token as they were sampled. */
async function preferencesFor(
  { experiment, model, store, readData }: Workshop,
  index: number,
): Promise<{ examples: PreferenceExample[]; flipped: number | null }> {
  const { preferences } = experiment.data;
  if (preferences !== undefined) {
    const rows = await readRows(preferences, 'preference', readData);
    return { examples: encodePreferences(rows, preferences, model).examples, flipped: flippedShare(rows) };
  }
  const file = `${lastBefore(experiment, index, 'pairs')}.jsonl`;
  const rows = parseRows((await readText(store, file)) ?? '', file, 'preference');
  const examples = rows.map(({ prompt, chosen, rejected, fields }) => ({
    prompt: String(fields['prompt']),
    // Unlike TRL's text pairs, a completion that was cut off gets no EOS: the model is to see it as PPO will show it.
    chosen: joined(prompt as readonly number[], chosen as readonly number[]),
    rejected: joined(prompt as readonly number[], rejected as readonly number[]),
  }));
  return { examples, flipped: flippedShare(rows) };
}

/** Share of labels that a labeller is known to have flipped (`flipped` in every row), null where nobody knows. */
function flippedShare(rows: readonly PreferenceRow[]): number | null {
  const flips = rows.map(({ fields }) => fields['flipped']);
  return flips.every((flip) => typeof flip === 'boolean')
    ? flips.filter(Boolean).length / flips.length
    : null;
}
