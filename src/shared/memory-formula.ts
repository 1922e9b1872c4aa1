// Bytes of what a run lays on the device (weights, adapters, a training pass, a pass that only reads, the key/value
// cache), from the model's shape and the settings alone. memory-budget.ts adds them up stage by stage;
// tests/memory-budget.browser.test.ts holds the sums to what the device then allocates.

import type { LoraSettings, Quantization } from './experiment';

/** What the sums need of a model; ModelConfig and the linear layers of an architecture have it. */
export interface ModelShape {
  architecture: string;
  width: number;
  layers: number;
  heads: number;
  headDim: number;
  kvHeads: number;
  inner: number;
  vocabulary: number;
  context: number;
  parameters: number;
  linears: readonly { name: string; inputs: number; outputs: number }[];
}

/** Bytes of a number. */
export const FLOAT = 4;
/** Of a packed weight: its bits, and its share of a block's scale (and of the scale of 256 scales). */
const PACKED: Readonly<Record<Quantization, number>> = {
  none: FLOAT,
  float16: 2,
  int8: 1 + FLOAT / 64,
  nf4: 1 / 2 + FLOAT / 64,
  nf4_double: 1 / 2 + (1 + FLOAT / 256) / 64,
};
/** Of a matrix whose scales are quantised: their mean, and what their codes stand for. */
const CODES = FLOAT * (1 + 256);

/** Bytes of the base weights. */
export function weightBytes(
  { parameters, linears }: ModelShape,
  quantization: Quantization = 'none',
): number {
  const packed = linears.reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0);
  const codes = quantization === 'nf4_double' ? CODES * linears.length : 0;
  return FLOAT * (parameters - packed) + PACKED[quantization] * packed + codes;
}

function targetsOf({ linears }: ModelShape, { target_modules: targets }: LoraSettings) {
  return linears.filter(({ name }) =>
    targets.some((target) => name === target || name.endsWith(`.${target}`)),
  );
}

/** Numbers that one adapter trains, or all of them. */
export function adapterParameters(shape: ModelShape, lora: LoraSettings, head: boolean): number {
  if (lora.use_peft === false) return shape.parameters + (head ? shape.width : 0);
  const sizes = targetsOf(shape, lora).map(
    ({ inputs, outputs }) => lora.r * (inputs + outputs) + (lora.use_dora ? outputs : 0),
  );
  return sizes.reduce((sum, size) => sum + size, head ? shape.width : 0);
}

/** Numbers a token leaves behind in one block: kept for the backward pass, and made by it. */
interface Block {
  kept: number;
  made: number;
  /** Of the first block, fewer of them: its input leads to nothing that is trained. */
  first: number;
  /** Of the last block, after its attention: where a token is read by nobody it leaves none of these. */
  last: number;
}

function perLayer({ architecture, width: C, inner: I, heads, headDim, kvHeads }: WritingShape): Block {
  const [Q, K] = [heads * headDim, kvHeads * headDim];
  switch (architecture) {
    // x, its norm, q, k, v, the mixture, both results that are added, and the second norm; the MLP before and after.
    case 'gpt2':
      return { kept: 9 * C + 2 * I + heads, made: 10 * C + I, first: 3 * C, last: 6 * C + 3 * I };
    // The exact GELU is five tfjs ops. The rotation and the layout of q, k and v have copies of their own.
    case 'gpt_neox':
      return {
        ...{ kept: 9 * C + 6 * I + heads, made: 20 * C + 9 * I },
        ...{ first: 16 * C + 7.5 * I, last: 10 * C + 15 * I },
      };
    // Heads of keys and values are repeated before attention.
    case 'llama':
    case 'mistral':
      return {
        ...{ kept: 3 * C + 4 * Q + (K < Q ? 2 * K : 0) + 3 * I + heads, made: 4 * C + 7 * Q + 3 * I },
        ...{ first: 3 * C, last: 6 * C + 6 * I },
      };
    default:
      return { kept: 9 * C + 2 * I + heads, made: 7 * C + I, first: 3 * C, last: 6 * C + 3 * I };
  }
}

/** Of the logits, and of what their gradient makes of them, this many numbers are there at once. */
const LOGITS = 2 ** 22;

/** The micro-batch of a step. */
interface MicroBatchSize {
  /** Those that are computed: what texts have in common once (model/distinct.ts). */
  tokens: number;
  /** Places of it that are read, as those that predict a completion token. */
  rows: number;
}

/**
 * Bytes of one micro-batch's forward and backward pass; the adapter on its targets; with or without gradient
 * checkpointing.
 */
export function activationBytes(
  shape: ModelShape,
  lora: LoraSettings,
  { tokens, rows }: MicroBatchSize,
  checkpointing = false,
): number {
  const { width: C, layers, vocabulary: V } = shape;
  const { kept, made, first, last } = perLayer(shape);
  const full = lora.use_peft === false;
  // Over all layers. DoRA keeps what it stretches, and stretched.
  const adapted = full
    ? 0
    : targetsOf(shape, lora).reduce(
        (sum, { outputs }) => sum + 2 * lora.r + (lora.use_dora ? 3 * outputs : 0),
        0,
      );
  const unread = Math.max(0, tokens - rows) * last;
  // Checkpointed, every block keeps its input and that one's gradient, and one at a time the rest.
  const forward = checkpointing
    ? tokens * layers * C
    : tokens * (layers * kept + adapted + 5 * C) - unread / 2;
  const backward = checkpointing
    ? tokens * (layers * C + adapted / layers + kept + made)
    : tokens * (layers * made - (full ? 0 : first)) - unread / 2;
  // Embeddings, and the last norm of the rows that are read, with their gradients and what the vocabulary adds to them.
  const around = C * (tokens / 2 + 5 * rows);
  // The backward pass begins with the logits: the slopes of a part of them, or, of all weights, eleven tensors of theirs
  // for the output matrix.
  const slopes = full ? 11 * Math.min(rows * V, LOGITS / 2) : Math.min(rows * V, LOGITS);
  // The gradients of the embedding and of the output matrix, which are the same tensor, meet.
  const whole = full ? 3 * C * tokens + 2 * V * C : 0;
  return FLOAT * (around + forward + Math.max(slopes, backward + whole));
}

/** Bytes of a pass over `tokens` tokens that keeps nothing for a gradient: one block at a time. */
export function readingBytes(shape: ModelShape, tokens: number): number {
  return FLOAT * tokens * (perLayer(shape).kept + 6 * shape.width + shape.vocabulary / 32);
}

/** Completions written at once by what has no batch of its own: pairs, an evaluation, a reward model that looks for its
 *  scale. Many, because a step of generation costs little more for more rows. */
export const WRITTEN = 128;

/** Bytes that writing takes at most, as long as one row does not: more rows are written one part after the other. */
const WRITING = 2 ** 29;

type WritingShape = Omit<ModelShape, 'parameters' | 'linears'>;
interface Slots {
  /** Of a row's keys and values. */
  slots: number;
  /** Of them the prompt's, which are read in one pass. */
  prompt: number;
}

/** Numbers of a row while its prompt is read, and of one that goes on from it. */
function writtenRow(shape: WritingShape, { slots, prompt }: Slots): { read: number; goesOn: number } {
  const cached = 2 * shape.layers * slots * shape.heads * shape.headDim + 2 * shape.vocabulary;
  const token = perLayer(shape).kept + 6 * shape.width;
  return { read: cached + prompt * token, goesOn: cached + token };
}

/** Rows that are written at once. */
export const rowsAtOnce = (shape: WritingShape, slots: Slots): number =>
  Math.max(1, Math.floor(WRITING / (FLOAT * writtenRow(shape, slots).read)));

/** Bytes of the key/value cache of `batch` rows, and of the pass that reads their prompts: each once, where `group` rows go
 *  on from it. */
export function cacheBytes(
  shape: ModelShape,
  { batch, group = 1, ...slots }: Slots & { batch: number; group?: number },
): number {
  const rows = Math.min(batch, rowsAtOnce(shape, slots));
  const { read, goesOn } = writtenRow(shape, slots);
  return FLOAT * Math.max(Math.ceil(rows / group) * read, rows * goesOn);
}
