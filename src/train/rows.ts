// The loop of every method that learns from rows of data: which rows a step learns from, one update with their gradients,
// the figures of the step, and now and then a look at rows held out. What a batch gives, and what is seen of held-out
// rows, is the method's.

import { stepRows } from '../data/batches';
import type { tf } from '../engine/tf';
import type { Adapter } from '../model/lora';
import type { OptimizerSettings } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { AdamW } from './optimizer';
import { learningRateAt } from './schedule';
import { keepBest, metricsRow, outOfPatience, type StageContext, sum, type TrainState } from './state';

/** What the stages of such methods have in common. */
export interface RowSettings extends OptimizerSettings {
  max_steps: number;
  per_device_train_batch_size: number;
  gradient_accumulation_steps: number;
  eval_steps: number;
  early_stopping_patience: number | null;
  group_by_length: boolean;
  curriculum_steps: number;
}

type Figures = Record<string, number>;

export interface Learning {
  /** The adapter that is trained, by its name in the state. */
  adapter: string;
  /** For each row that is learnt from: tokens of its longest sequence, and of all. */
  lengths: readonly number[];
  tokens: readonly number[];
  /** Of each row, where rows with the same one are best learnt from in one batch, once a curriculum is over. */
  keys?: readonly unknown[];
  /** The gradients of the loss of some rows, and what there is to tell of them. */
  batch: (rows: number[], step: number) => Batch | Promise<Batch>;
  /** Null where no rows are held out; the higher the score, the better. */
  look: ((step: number) => Promise<{ figures: Figures; score: number }>) | null;
}

interface Batch {
  grads: tf.Tensor[];
  figures: () => Promise<Figures>;
}

/** A policy before its first step, a copy of where it starts. */
export function startPolicy(start: Adapter): TrainState {
  const policy = start.clone('policy');
  return { step: 0, adapters: { policy }, optimizers: { policy: new AdamW(policy.variables) }, scalars: {} };
}

export async function* learnFromRows(
  { name, seed }: StageContext,
  stage: RowSettings,
  state: TrainState,
  { adapter, lengths, tokens, keys, batch, look }: Learning,
): AsyncGenerator<MetricsRow> {
  const { scalars } = state;
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  while (state.step < stage.max_steps && !outOfPatience(state, stage.early_stopping_patience)) {
    const step = state.step;
    const rows = stepRows(lengths, batchSize, step, { seed, name }, stage, keys);
    const { grads, figures } = await batch(rows, step);
    const learningRate = learningRateAt(step, stage.max_steps, stage);
    // The update is on its way before anything is read back.
    const update = state.optimizers[adapter]!.update(grads, learningRate, stage);
    const [gradNorm, told] = await Promise.all([update, figures()]);

    state.step = step + 1;
    scalars['num_tokens'] = (scalars['num_tokens'] ?? 0) + sum(rows.map((row) => tokens[row]!));
    const metrics: Figures = {
      ...told,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      num_tokens: scalars['num_tokens'],
      epoch: (state.step * batchSize) / lengths.length,
    };
    metricsRow(name, state.step, metrics);
    if (look && (state.step % stage.eval_steps === 0 || state.step === stage.max_steps)) {
      const looked = await look(state.step);
      Object.assign(metrics, looked.figures);
      keepBest(state, state.adapters[adapter]!, looked.score, stage.early_stopping_patience);
    }
    yield metricsRow(name, state.step, metrics);
  }
}
