// What the stages of a run are made of: the workshop they share, what a running stage is, and how one finds what the
// stages before it left. Finished stages' adapters are always read back from the store, in a new run as in a resumed
// one, so that there is one way only.

import { encodePrompts, type PromptExample } from '../data/examples';
import { type ReadBytes, readRows, resolveSource } from '../data/sources';
import { hash32 } from '../engine/random';
import { Adapter, HEAD } from '../model/lora';
import { adapterFiles, readPeft, writePeft } from '../model/peft';
import type { LanguageModel, ReadFile } from '../model/types';
import type { Scorable } from '../reward';
import type { RewardModel } from '../reward/learned';
import { PlaygroundError } from '../shared/errors';
import { type Experiment, givenSft, stageNames } from '../shared/experiment';
import { leaving, methodOf, type StageKind } from '../shared/methods';
import type { MetricsRow, Report, SampleRow } from '../shared/protocol';
import { readText, type RunStore, writeText } from '../storage/run-store';
import type { StageContext, TokenNumbers, TrainState } from '../train/state';

/** What stages are made of, and write to. */
export interface Workshop {
  experiment: Experiment;
  model: LanguageModel;
  store: RunStore;
  readData: ReadBytes;
  /** Adds rows to an output file; a resumed run cuts off what was added after its checkpoint. */
  append: (path: string, rows: readonly object[]) => Promise<void>;
  onSample: (sample: SampleRow) => void;
  /** Told of what is let pass and is probably not meant. */
  warn: (message: string, fix: string) => void;
}

/** What stages add to the report. */
export type Found = Required<Pick<Report, 'evaluation' | 'comparisons' | 'findings'>>;

/** A stage that is ready to run. */
export interface RunningStage {
  /** May be restored from a checkpoint before the first step. The caller disposes it. */
  state: TrainState;
  /** An estimate where it cannot be known before. */
  totalSteps: number;
  steps: () => AsyncGenerator<MetricsRow>;
  /** Of a stage that trains a policy: the numbers behind each token that it wrote. */
  explain?: (episodes: readonly Scorable[]) => Promise<TokenNumbers[]>;
  /** Writes what the stage leaves behind; what it found out goes into the report. */
  finish: () => Promise<Partial<Found>>;
  /** Lets go of what it borrowed from the stages before. */
  dispose: () => void;
}

/** Name, seed and the like of a stage. */
export function contextOf({ experiment, model, onSample }: Workshop, index: number): StageContext {
  return { model, name: stageNames(experiment.stages)[index]!, seed: experiment.seed, onSample };
}

/** Name of the last stage of one of the kinds before `index`; failing that, of an adapter that stands in for one; null
 *  if there is neither. */
export function lastBefore(experiment: Experiment, index: number, ...kinds: StageKind[]): string | null {
  const { stages } = experiment;
  const last = stageNames(stages).findLast((_, i) => i < index && kinds.includes(stages[i]!.kind));
  return last ?? Object.keys(givenAdapters(experiment)).find((kind) => kinds.some((k) => k === kind)) ?? null;
}

/** The adapters that an experiment starts from, by the kind of stage they stand in for, or as `policy`. */
export function givenAdapters({ data }: Experiment): Partial<Record<'sft' | 'reward' | 'policy', string>> {
  const sft = givenSft(data);
  return {
    ...(sft !== undefined && { sft }),
    ...(data.reward_model_path !== undefined && { reward: data.reward_model_path }),
    ...(data.policy_model_path !== undefined && { policy: data.policy_model_path }),
  };
}

/** Copies them to where their stage would have left them, and sees that they are what they stand in for: one that does not
 *  fit would otherwise be found when its turn comes, an hour into the run. Throws `not-found`, `bad-adapter`, `bad-weights`. */
export async function adoptAdapters({ experiment, model, store, readData }: Workshop): Promise<void> {
  for (const [kind, name] of Object.entries(givenAdapters(experiment))) {
    const { at, path } = resolveSource(name);
    const files = [...adapterFiles(experiment.lora), ...(kind === 'reward' ? [NORMALISATION] : [])];
    for (const file of files) {
      const bytes = await readData({ at, path: `${path}/${file}` });
      if (bytes) await store.write(`adapters/${kind}/${file}`, bytes);
      else if (file !== NORMALISATION) {
        throw new PlaygroundError(
          'not-found',
          `data.${kind}_model_path is "${name}", and there is no ${file} in it.`,
          'Name the directory of a PEFT adapter (where all weights are trained, of a model), relative to the experiment file.',
        );
      }
    }
    const read: ReadFile = (file) => store.read(`adapters/${kind}/${file}`);
    const adapter = await readPeft(model, read, `data.${kind}_model_path ("${name}")`);
    const scores = adapter.variables.has(HEAD);
    adapter.dispose();
    if (scores === (kind === 'reward')) continue;
    throw new PlaygroundError(
      'bad-adapter',
      `data.${kind}_model_path is "${name}", which is ${scores ? 'a reward model and no policy' : `no reward model: it has no ${HEAD}`}.`,
      `Name the adapter that ${kind === 'reward' ? 'a reward stage' : 'a stage that trains a policy'} left.`,
    );
  }
}

/** The prompts of a part of the data, or the first `most` of them. */
export async function readPrompts(
  { experiment, model, readData }: Pick<Workshop, 'experiment' | 'model' | 'readData'>,
  part: 'prompts' | 'eval_prompts',
  newTokens: number,
  most = Infinity,
): Promise<PromptExample[]> {
  const source = experiment.data[part] ?? '';
  const rows = await readRows(source, 'prompt-only', readData);
  return encodePrompts(rows.slice(0, most), source, model, newTokens);
}

export function readAdapter({ model, store }: Workshop, name: string): Promise<Adapter> {
  return readPeft(model, (path) => store.read(`adapters/${name}/${path}`), name);
}

/** The policy that a stage starts from: the adapter of the last stage that left one, else one that changes nothing. */
export async function policyBefore(workshop: Workshop, index: number): Promise<Adapter> {
  const { experiment, model } = workshop;
  const name = lastBefore(experiment, index, ...leaving('policy'));
  return name === null
    ? Adapter.create(model, experiment.lora, hash32(experiment.seed, 'lora'))
    : readAdapter(workshop, name);
}

/** The policy that a stage goes on training and the one it is held to. They are one and the same, a copy is trained,
 *  unless the experiment gives a policy: then the first stage after SFT goes on from that. The caller disposes both. */
export async function policiesBefore(
  workshop: Workshop,
  index: number,
): Promise<{ policy: Adapter; reference: Adapter }> {
  const reference = await policyBefore(workshop, index);
  const trainers = leaving('policy').filter((kind) => !methodOf(kind).foundation);
  const first = lastBefore(workshop.experiment, index, ...trainers) === null;
  const given = first && 'policy' in givenAdapters(workshop.experiment);
  return { reference, policy: given ? await readAdapter(workshop, 'policy') : reference };
}

/** The last reward stage's model before `index`, null if there is none. */
export async function rewardModelBefore(workshop: Workshop, index: number): Promise<RewardModel | null> {
  const name = lastBefore(workshop.experiment, index, ...leaving('reward'));
  if (name === null) return null;
  const adapter = await readAdapter(workshop, name);
  const text = await readText(workshop.store, `adapters/${name}/${NORMALISATION}`);
  const { gain, bias } = JSON.parse(text ?? '{"gain":1,"bias":0}') as { gain: number; bias: number };
  return { adapter, gain, bias };
}

export async function writeAdapter(
  { model, store }: Workshop,
  name: string,
  adapter: Adapter,
): Promise<void> {
  const files = await writePeft(model, adapter);
  // What an earlier run left there of another kind would be read in its place.
  for (const path of await store.list(`adapters/${name}/`)) {
    if (!files.has(path.slice(`adapters/${name}/`.length))) await store.remove(path);
  }
  for (const [path, bytes] of files) await store.write(`adapters/${name}/${path}`, bytes);
}

/** The best adapter of a stage that watched for it, else the last. */
export function trained({ adapters }: TrainState, name: string): Adapter {
  return adapters['best'] ?? adapters[name]!;
}

/** Beside the reward adapter: PEFT has no place for the gain and bias of its scores. */
const NORMALISATION = 'reward_normalization.json';

export async function writeRewardModel(
  workshop: Workshop,
  name: string,
  { adapter, gain, bias }: RewardModel,
): Promise<void> {
  await writeAdapter(workshop, name, adapter);
  await writeText(workshop.store, `adapters/${name}/${NORMALISATION}`, `${JSON.stringify({ gain, bias })}\n`);
}
