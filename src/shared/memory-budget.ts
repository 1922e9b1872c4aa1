// How much memory each stage of an experiment takes on the device, before it is started, and which settings would fit where
// these do not: what a stage does with the model, put into the sums of memory-formula.ts.

import { newTokens } from './budget';
import { contradictions } from './contradictions';
import { type Experiment, QUANTIZATIONS, type Stage, stageNames } from './experiment';
import {
  activationBytes,
  adapterParameters,
  cacheBytes,
  FLOAT,
  type ModelShape,
  readingBytes,
  weightBytes,
  WRITTEN,
} from './memory-formula';
import { methodOf } from './methods';

/** Bytes, all of them. */
export interface StageBudget {
  stage: string;
  weights: number;
  /** Adapters with their moments and gradients. */
  adapters: number;
  /** What a step keeps of a micro-batch for its gradients, and these; or a pass that only reads, where that is more. */
  activations: number;
  /** Keys and values while completions are written, with that pass's own results. */
  cache: number;
  /** Weights, adapters, and the larger of activations and cache. */
  total: number;
}

/** Tokens of the longest rows that a stage works on, none beyond the context, and how many rows there are. */
export interface RowLengths {
  prompt: number;
  completion: number;
  /** A prompt with its completion. */
  whole: number;
  rows: number;
}

const MANY_ROWS = Number.MAX_SAFE_INTEGER;

/** The rows of stages whose data is not known: `longest` tokens, all of them possibly prompt or completion. */
export const unknownRows = (stages: readonly Stage[], longest: number): RowLengths[] =>
  stages.map(() => ({ prompt: longest, completion: longest, whole: longest, rows: MANY_ROWS }));

/** Bytes of activations from which gradient checkpointing begins, where the experiment leaves it open. */
const MANY = 1e9;

/** As data/micro-batches.ts cuts: the most padded tokens of one pass. */
const MICRO_BATCH_TOKENS = 2048;
/** As batches and caches round lengths up. */
const BUCKET = 16;
/** Held-out rows that SFT completes at a look, and what every policy does while it is watched. */
const LOOK = 32;
const WATCH = { rows: 4, tokens: 40 };

type Budgeted = Pick<Experiment, 'lora' | 'quantization' | 'gradient_checkpointing' | 'stages' | 'data'>;
type Fields = Partial<Record<string, number>>;

const fieldsOf = (stage: Stage): Fields => stage as unknown as Fields;

/** Adapters on the device while a stage runs: trained ones, and frozen ones beside them (what it began as, the best so
 *  far, the reward model). */
function adaptersOf(stage: Stage): { trained: number; frozen: number } {
  const { leaves, critic } = methodOf(stage.kind);
  if (leaves === undefined) return { trained: 0, frozen: 2 };
  const best = (fieldsOf(stage)['eval_fraction'] ?? 0) > 0 ? 1 : 0;
  const judge = 'reward' in stage && stage.reward.kind === 'model' ? 1 : 0;
  return { trained: critic ? 2 : 1, frozen: 1 + best + judge };
}

/** Completions, or rows, of one step. */
const batchOf = ({ per_device_train_batch_size: rows = 0, gradient_accumulation_steps: times = 1 }: Fields) =>
  rows * times;

/** Padded tokens of a pass over up to `rows` rows, `width` sequences each. */
function tokensOf(rows: number, length: number, width = 1): number {
  const most = Math.max(1, Math.floor(MICRO_BATCH_TOKENS / (length * width)));
  return Math.min(rows, most) * length * width;
}

/** Whether a row is a pair, both sides of it in one micro-batch. */
const takesPairs = (stage: Stage): boolean =>
  methodOf(stage.kind).needs.some(({ what, labels }) => what === 'pairs' && !labels);

/** Padded tokens of a stage's largest micro-batch; 0 where it trains nothing. */
function trainingTokens(stage: Stage, { whole, rows }: RowLengths): number {
  const fields = fieldsOf(stage);
  const { per_device_train_batch_size: most = 0, num_mini_batches: parts = 1 } = fields;
  const length = fields['max_length'] ?? whole;
  const step = batchOf(fields);
  if (stage.kind === 'online_dpo') return tokensOf(Math.ceil(most / 2), length, 2);
  if (stage.kind === 'rft') return tokensOf(Math.min(most, step / stage.num_generations), length);
  const pair = takesPairs(stage);
  const learnt = newTokens(stage) > 0 ? step / parts : pair ? rows / 2 : rows;
  return tokensOf(Math.min(most, learnt), length, pair ? 2 : 1);
}

/** The share of a micro-batch's tokens that is computed: sides of a pair, and groups, have their prompt in common. The
 *  longest prompt and completion need not be one row's, so the prompt counts as what the latter leaves of the row. */
function distinctShare(stage: Stage, { whole, completion }: RowLengths): number {
  const group = takesPairs(stage) ? 2 : groupOf(stage);
  const prompt = Math.max(0, whole - completion);
  return (prompt / group + whole - prompt) / whole;
}

/** Padded tokens of a stage's largest pass without gradients; 0 where there is none. */
function readingTokens(stage: Stage, { whole, rows }: RowLengths): number {
  const fields = fieldsOf(stage);
  if (newTokens(stage) > 0) return tokensOf(writtenAtOnce(stage, rows), whole);
  const { holdsReference } = methodOf(stage.kind);
  const read = holdsReference ? rows : Math.ceil(rows * (fields['eval_fraction'] ?? 0));
  return tokensOf(Math.max(read, fields['normalise_samples'] ?? 0), fields['max_length'] ?? whole);
}

/** Completions that a stage writes at once; an evaluation goes through its prompts once. */
function writtenAtOnce(stage: Stage, prompts: number): number {
  const all = stage.kind === 'evaluate' ? prompts * groupOf(stage) : Infinity;
  return batchOf(fieldsOf(stage)) || Math.min(WRITTEN, all);
}

/** Completions of one prompt. */
function groupOf(stage: Stage): number {
  if (stage.kind === 'online_dpo') return 2;
  return fieldsOf(stage)['num_generations'] ?? fieldsOf(stage)['samples_per_prompt'] ?? 1;
}

/** What a stage writes at once: completions of its own, and those it is watched by. */
function writings(
  stage: Stage,
  { completion, rows }: RowLengths,
  { data }: Budgeted,
): { rows: number; tokens: number; group?: number }[] {
  const fields = fieldsOf(stage);
  const heldOut = Math.ceil(rows * (fields['eval_fraction'] ?? 0));
  const watched = data.eval_prompts !== undefined && methodOf(stage.kind).leaves === 'policy';
  return [
    { rows: writtenAtOnce(stage, rows), tokens: newTokens(stage), group: groupOf(stage) },
    { rows: Math.min(fields['normalise_samples'] ?? 0, WRITTEN), tokens: completion },
    { rows: stage.kind === 'sft' ? Math.min(heldOut, LOOK) : 0, tokens: completion },
    ...(watched ? [WATCH] : []),
  ].filter((writing) => writing.rows > 0 && writing.tokens > 0);
}

const bucket = ({ context }: ModelShape, tokens: number): number =>
  Math.min(context, Math.ceil(tokens / BUCKET) * BUCKET);

/** Lengths as the device sees them. */
const padded = (shape: ModelShape, lengths: RowLengths): RowLengths => ({
  ...lengths,
  prompt: bucket(shape, lengths.prompt),
  whole: bucket(shape, lengths.whole),
});

/** Whether blocks are computed twice to keep less: as the experiment says, else where much would be kept. */
export function checkpoints(
  shape: ModelShape,
  { lora, gradient_checkpointing: asked, stages }: Budgeted,
  lengths: readonly RowLengths[] = unknownRows(stages, shape.context),
): boolean {
  if (asked === 'on' || asked === 'off') return asked === 'on';
  const tokens = Math.max(...stages.map((stage, i) => trainingTokens(stage, padded(shape, lengths[i]!))));
  return activationBytes(shape, lora, { tokens, rows: tokens }) > MANY;
}

/** Stage by stage; `lengths` are of each stage's rows, by default as long as the context. */
export function memoryBudget(
  shape: ModelShape,
  experiment: Budgeted,
  lengths: readonly RowLengths[] = unknownRows(experiment.stages, shape.context),
): StageBudget[] {
  const { lora, quantization, stages } = experiment;
  const checkpointing = checkpoints(shape, experiment, lengths);
  const weights = weightBytes(shape, quantization);
  const size = FLOAT * adapterParameters(shape, lora, true);
  const names = stageNames(stages);
  return stages.map((stage, i) => {
    const rows = padded(shape, lengths[i]!);
    const { trained, frozen } = adaptersOf(stage);
    const adapters = size * (4 * trained + frozen); // values, two moments, gradient
    const tokens = trainingTokens(stage, rows);
    const read = stage.kind === 'reward' ? 1 : Math.min(rows.completion, rows.whole); // of a row
    const distinct = distinctShare(stage, lengths[i]!);
    // Rejection sampling keeps one of a group, and with dropout nothing is shared.
    const computed = stage.kind === 'rft' || lora.lora_dropout > 0 ? 1 : distinct;
    const activations = Math.max(
      tokens > 0
        ? activationBytes(
            shape,
            lora,
            { tokens: tokens * computed, rows: (tokens * read) / rows.whole },
            checkpointing,
          )
        : 0,
      readingBytes(shape, readingTokens(stage, rows) * distinct),
    );
    const caches = writings(stage, rows, experiment).map(({ rows: batch, tokens: fresh, group = 1 }) => {
      const written = Math.min(fresh, shape.context - 1);
      const prompt = Math.min(rows.prompt, shape.context - written);
      return cacheBytes(shape, { batch, slots: bucket(shape, prompt + written), prompt, group });
    });
    const cache = Math.max(0, ...caches);
    const total = weights + adapters + Math.max(activations, cache);
    return { stage: names[i]!, weights, adapters, activations, cache, total };
  });
}

const PARTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** The experiment with smaller settings that fit `limit` bytes, null if none do: first what changes no number (blocks
 *  computed twice, and of the stages beyond the limit batches cut into parts), then packed weights. */
export function fitting<E extends Experiment>(
  shape: ModelShape,
  experiment: E,
  limit: number,
  lengths?: readonly RowLengths[],
): E | null {
  const { quantization: asked = 'none', lora } = experiment;
  // What is packed cannot be trained.
  const packings = lora.use_peft === false ? [asked] : QUANTIZATIONS.slice(QUANTIZATIONS.indexOf(asked));
  const errors = (candidate: E): number =>
    contradictions(candidate).filter(({ level }) => level === 'error').length;
  const before = errors(experiment);
  for (const quantization of packings) {
    for (const parts of PARTS) {
      for (const lighter of [{}, { gradient_checkpointing: 'on' as const }]) {
        const packed = { ...experiment, ...(quantization !== 'none' && { quantization }), ...lighter };
        const budgets = memoryBudget(shape, packed, lengths);
        const stages = experiment.stages.map((stage, i) =>
          budgets[i]!.total > limit ? cutBatch(stage, parts) : stage,
        );
        const candidate = { ...packed, stages };
        const fits = memoryBudget(shape, candidate, lengths).every(({ total }) => total <= limit);
        if (fits && errors(candidate) <= before) return candidate;
      }
    }
  }
  return null;
}

/** The same batch, one part after the other. */
function cutBatch(stage: Stage, wanted: number): Stage {
  if (!('per_device_train_batch_size' in stage)) return stage;
  const { per_device_train_batch_size: rows, gradient_accumulation_steps: times } = stage;
  const parts = Math.min(wanted, rows);
  if (rows % parts > 0) return stage;
  return {
    ...stage,
    per_device_train_batch_size: rows / parts,
    gradient_accumulation_steps: times * parts,
  };
}
