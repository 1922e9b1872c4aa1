// How much memory each stage of an experiment takes on the device, before it is started: counted from the model's
// shape and the settings alone. tests/memory-budget.browser.test.ts holds the sums to what the device then allocates.

import type { Experiment, LoraSettings, Quantization, Stage } from './experiment';
import { newTokens } from './budget';
import { stageNames } from './experiment';

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

/** Bytes, all of them. */
export interface StageBudget {
  stage: string;
  weights: number;
  /** Adapters with their moments and gradients. */
  adapters: number;
  /** What a step keeps of a micro-batch for its gradients, and these. */
  activations: number;
  /** Keys and values while completions are written, with that pass's own results. */
  cache: number;
  /** Weights, adapters, and the larger of activations and cache. */
  total: number;
}

const FLOAT = 4;
/** Of a packed weight: its bits, and its share of a block's scale. */
const PACKED: Readonly<Record<Quantization, number>> = {
  none: FLOAT,
  float16: 2,
  int8: 1 + FLOAT / 64,
  nf4: 1 / 2 + FLOAT / 64,
};

/** Bytes of the base weights, with room for a block's matrices unpacked: a GPU frees them with its next submission. */
export function weightBytes(
  { parameters, linears, layers }: ModelShape,
  quantization: Quantization = 'none',
): number {
  const packed = linears.reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0);
  const unpacked = quantization === 'none' ? 0 : packed / layers;
  return FLOAT * (parameters - packed + unpacked) + PACKED[quantization] * packed;
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
function perLayer({ architecture, width: C, inner: I, heads, headDim, kvHeads }: ModelShape) {
  const [Q, K] = [heads * headDim, kvHeads * headDim];
  switch (architecture) {
    // x, its norm, q, k, v, the mixture, both results that are added, and the second norm; the MLP before and after.
    case 'gpt2':
      return { kept: 8 * C + 2 * I + heads, made: 9 * C + I };
    // The exact GELU is five tfjs ops. The rotation and the layout of q, k and v have copies of their own.
    case 'gpt_neox':
      return { kept: 8 * C + 6 * I + heads, made: 11 * C + 6 * I };
    // Heads of keys and values are repeated before attention.
    case 'llama':
    case 'mistral':
      return {
        kept: 4 * C + 4 * Q + (K < Q ? 2 * K : 0) + 3 * I + heads,
        made: 5 * C + 5 * Q + 3 * K + 3 * I,
      };
    default:
      return { kept: 8 * C + 2 * I + heads, made: 8 * C + I };
  }
}

/**
 * Bytes of one micro-batch's forward and backward pass: `tokens` padded tokens, `rows` of them predicting a
 * completion token, the adapter on its targets; with or without gradient checkpointing.
 */
export function activationBytes(
  shape: ModelShape,
  lora: LoraSettings,
  { tokens, rows }: { tokens: number; rows: number },
  checkpointing = false,
): number {
  const { width: C, layers, vocabulary } = shape;
  const { kept, made } = perLayer(shape);
  const full = lora.use_peft === false;
  // Over all layers. DoRA keeps what it stretches, and stretched.
  const targets = full ? shape.linears : targetsOf(shape, lora);
  const low = full ? 0 : 2 * lora.r;
  const adapted = targets.reduce((sum, { outputs }) => sum + low + (lora.use_dora ? 2 * outputs : 0), 0);
  // The first block's input leads to nothing that is trained, but for the embeddings.
  const first = full ? 0 : 5 * C + adapted / layers;
  // Checkpointed, every block keeps its input and that one's gradient, and one at a time the rest.
  const blocks = checkpointing
    ? 2 * layers * C + kept + made + adapted / layers
    : layers * (kept + made) + adapted - first;
  // Embeddings of words and places, the last norm, and the gradients of both.
  const around = 6 * C;
  const logits = rows * (3 * C + Math.min(1.1 * vocabulary, 2 ** 22 / rows));
  // Of all weights: what the gradients of a norm and of an inner matrix make, what the output matrix's makes of some rows'
  // logits, and its sums with the embedding's.
  const whole =
    tokens * (6 * C + shape.inner) + 8 * Math.min(rows * vocabulary, 2 ** 21) + 4 * vocabulary * C;
  return FLOAT * (tokens * (blocks + around) + logits + (full ? whole : 0));
}

/** Bytes of the key/value cache of `batch` rows of `slots`, and of the pass that reads prompts of `prompt` tokens. */
export function cacheBytes(
  shape: ModelShape,
  { batch, slots, prompt }: { batch: number; slots: number; prompt: number },
): number {
  const { width: C, layers, heads, headDim, vocabulary } = shape;
  const block = perLayer(shape).kept + 8 * C;
  return FLOAT * batch * (2 * layers * slots * heads * headDim + prompt * block + 2 * vocabulary);
}

/** Bytes of activations from which gradient checkpointing begins, where the experiment leaves it open. */
const MANY = 1e9;

/** As data/micro-batches.ts cuts: the most padded tokens of one pass. */
const MICRO_BATCH_TOKENS = 2048;
/** As batches and caches round lengths up. */
const BUCKET = 16;

/** Adapters on the device while a stage of a kind runs: trained ones, and frozen ones beside them. */
function adaptersOf(stage: Stage): { trained: number; frozen: number } {
  switch (stage.kind) {
    case 'ppo':
      return { trained: 2, frozen: 2 };
    case 'pretrain':
    case 'sft':
    case 'reward':
    case 'orpo':
    case 'simpo':
      return { trained: 1, frozen: 0 };
    case 'pairs':
    case 'evaluate':
      return { trained: 0, frozen: 2 };
    default:
      return { trained: 1, frozen: 2 };
  }
}

/** New tokens that a stage writes a row, and rows at a time; none where it only reads. */
function writing(stage: Stage): { rows: number; tokens: number } {
  const fields = stage as unknown as Record<string, number | undefined>;
  const tokens = newTokens(stage);
  const batch = fields['per_device_train_batch_size'] ?? 64;
  return { tokens, rows: batch * (fields['gradient_accumulation_steps'] ?? 1) };
}

type Budgeted = Pick<Experiment, 'lora' | 'quantization' | 'gradient_checkpointing' | 'stages'>;

/** Padded tokens of a stage's largest micro-batch of rows of `length`. */
function microBatchTokens(stage: Stage, length: number): number {
  const batch = 'per_device_train_batch_size' in stage ? stage.per_device_train_batch_size : 1;
  if ('max_length' in stage) length = stage.max_length;
  return length * Math.max(1, Math.min(batch, Math.floor(MICRO_BATCH_TOKENS / length)));
}

/** Whether blocks are computed twice to keep less: as the experiment says, else where much would be kept. */
export function checkpoints(
  shape: ModelShape,
  { lora, gradient_checkpointing: asked, stages }: Budgeted,
  longest: { whole: number },
): boolean {
  if (asked === 'on' || asked === 'off') return asked === 'on';
  const tokens = Math.max(...stages.map((stage) => microBatchTokens(stage, longest.whole)));
  return activationBytes(shape, lora, { tokens, rows: 0 }) > MANY;
}

/**
 * Stage by stage; `longest` is the most tokens of a prompt, and of a prompt with its completion (both at most the
 * context, which is what is assumed of data that is not known).
 */
export function memoryBudget(
  shape: ModelShape,
  experiment: Budgeted,
  longest: { prompt: number; whole: number } = { prompt: shape.context, whole: shape.context },
): StageBudget[] {
  const { lora, quantization, stages } = experiment;
  const checkpointing = checkpoints(shape, experiment, longest);
  const weights = weightBytes(shape, quantization);
  const names = stageNames(stages);
  const bucket = (tokens: number): number => Math.min(shape.context, Math.ceil(tokens / BUCKET) * BUCKET);
  return stages.map((stage, i) => {
    const { trained, frozen } = adaptersOf(stage);
    const size = FLOAT * adapterParameters(shape, lora, true);
    const adapters = size * (4 * trained + frozen); // values, two moments, gradient
    const tokens = microBatchTokens(stage, bucket(longest.whole));
    const activations =
      trained > 0 ? activationBytes(shape, lora, { tokens, rows: tokens }, checkpointing) : 0;
    const { rows, tokens: fresh } = writing(stage);
    const prompt = bucket(Math.min(longest.prompt, shape.context - fresh));
    const slots = bucket(prompt + fresh);
    const cache = fresh > 0 ? cacheBytes(shape, { batch: rows, slots, prompt }) : 0;
    const total = weights + adapters + Math.max(activations, cache);
    return { stage: names[i]!, weights, adapters, activations, cache, total };
  });
}

/** The experiment with smaller settings that fit `limit` bytes: gradient checkpointing and packed weights first, then
 *  smaller batches where a stage is beyond it; null if nothing does. */
export function fitting<E extends Budgeted>(
  shape: ModelShape,
  experiment: E,
  limit: number,
  longest?: { prompt: number; whole: number },
): E | null {
  const order: Quantization[] = ['none', 'float16', 'int8', 'nf4'];
  const smaller = order.slice(order.indexOf(experiment.quantization ?? 'none'));
  for (let divisor = 1; divisor <= 256; divisor *= 2) {
    for (const quantization of smaller) {
      for (const lighter of [{}, { gradient_checkpointing: 'on' as const }]) {
        const packed = { ...experiment, ...(quantization !== 'none' && { quantization }), ...lighter };
        const budgets = memoryBudget(shape, packed, longest);
        const stages = experiment.stages.map((stage, i) =>
          budgets[i]!.total > limit ? withSmallerBatch(stage, divisor) : stage,
        );
        const candidate = { ...packed, stages };
        if (memoryBudget(shape, candidate, longest).every(({ total }) => total <= limit)) return candidate;
      }
    }
  }
  return null;
}

function withSmallerBatch(stage: Stage, divisor: number): Stage {
  if (!('per_device_train_batch_size' in stage)) return stage;
  const rows = Math.max(1, Math.floor(stage.per_device_train_batch_size / divisor));
  return { ...stage, per_device_train_batch_size: rows };
}
