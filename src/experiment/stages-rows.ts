// How the stages that learn from rows of data are made ready to run: demonstrations, pairs, labelled completions.

import { joined } from '../data/batches';
import { encodeCompletions, encodePreferences, encodeText } from '../data/examples';
import { parseRows, type PreferenceRow } from '../data/records';
import { readRows } from '../data/sources';
import { splitByPrompt } from '../data/split';
import { shareOf } from '../evaluate/measures';
import type { Adapter } from '../model/lora';
import type { RewardStage, SftStage, Stage, StageOf } from '../shared/experiment';
import type { Interval, MetricsRow } from '../shared/protocol';
import { readText } from '../storage/run-store';
import type { Labelled } from '../train/kto';
import type { Preference } from '../train/preference';
import { startPolicy } from '../train/rows';
import { pretrain } from '../train/pretrain';
import { normalise, pairMetrics, reward, scorePairs, startReward } from '../train/reward';
import { sft } from '../train/sft';
import { mean, type StageContext, type TrainState } from '../train/state';
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

type PreferenceExample = Preference & { prompt: string; flipped: boolean | null };

export async function openPretrain(
  workshop: Workshop,
  index: number,
  stage: StageOf<'pretrain'>,
): Promise<RunningStage> {
  const { experiment, model, readData } = workshop;
  const context = contextOf(workshop, index);
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
  const { examples, truncated } = encodeCompletions(rows, source, model, { eos: true, truncate: true });
  warnOfLength(workshop, 'sft', truncated, 'lose their end');
  const split = splitByPrompt(examples, ({ prompt }) => prompt, stage.eval_fraction, experiment.seed);
  const start = await policyBefore(workshop, index);
  const state = startPolicy(start);
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
  const examples = await readPreferences(workshop, index);
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
        const group = prompt || String(i); // pairs without a prompt belong to no other
        groups.set(group, [...(groups.get(group) ?? []), margins[i]! > 0]);
      });
      const found = {
        accuracy: shareOf([...groups.values()], experiment.seed),
        calibration_error: exactly(pairMetrics(margins).eval_calibration_error),
        ...accuracyCeiling(split.heldOut),
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
  const { examples, truncated } = encodeCompletions(rows, source, model, { eos: true, truncate: true });
  warnOfLength(workshop, 'preferences', truncated, 'lose their end');
  return examples.map((example, i) => ({ ...example, label: rows[i]!.label }));
}

/** The file of preferences, or else the pairs of the last pairs stage, token by token as they were sampled. */
export async function readPreferences(workshop: Workshop, index: number): Promise<PreferenceExample[]> {
  const { experiment, model, store, readData } = workshop;
  const { preferences } = experiment.data;
  if (preferences !== undefined) {
    const rows = await readRows(preferences, 'preference', readData);
    const { examples, dropped } = encodePreferences(rows, preferences, model);
    warnOfLength(workshop, 'preferences', dropped, 'are left out, since a side that is cut cannot be judged');
    const left = new Set(dropped);
    const kept = rows.filter(({ line }) => !left.has(line));
    return examples.map((example, i) => ({ ...example, flipped: isFlipped(kept[i]!) }));
  }
  const file = `${lastBefore(experiment, index, 'pairs')}.jsonl`;
  const rows = parseRows((await readText(store, file)) ?? '', file, 'preference');
  return rows.map((row) => ({
    prompt: String(row.fields['prompt']),
    flipped: isFlipped(row),
    // Unlike TRL's text pairs, a completion that was cut off gets no EOS: the model is to see it as PPO will show it.
    chosen: joined(row.prompt as readonly number[], row.chosen as readonly number[]),
    rejected: joined(row.prompt as readonly number[], row.rejected as readonly number[]),
  }));
}

/** Whether a labeller is known to have flipped the label, null where nobody knows. */
function isFlipped({ fields: { flipped } }: PreferenceRow): boolean | null {
  return typeof flipped === 'boolean' ? flipped : null;
}

const exactly = (value: number) => ({ value, low: value, high: value });

/** What of these labels who knew the labeller's mind would foresee: all but those flipped at random. Nothing where
 *  nobody knows which these are. */
function accuracyCeiling(pairs: readonly PreferenceExample[]): Record<string, Interval> {
  if (pairs.some(({ flipped }) => flipped === null)) return {};
  return { accuracy_ceiling: exactly(1 - mean(pairs.map(({ flipped }) => Number(flipped)))) };
}

/** Tells which rows a stage cannot use as they are. */
function warnOfLength(
  { experiment, model, warn }: Workshop,
  part: 'sft' | 'preferences',
  lines: readonly number[],
  what: string,
): void {
  if (lines.length === 0) return;
  const first = lines.slice(0, 5).join(', ');
  warn(
    `data.${part} ("${experiment.data[part]}"): rows longer than the context of ${model.config.context} tokens ${what}: ${lines.length} of them (line ${first}${lines.length > 5 ? ', …' : ''}).`,
    'Shorten them, or use a model with a longer context.',
  );
}
