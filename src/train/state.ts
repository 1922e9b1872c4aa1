// What the stages share besides the optimizer: the state a checkpoint keeps, host-side sums of device scalars, and
// the refusal to go on with numbers that are none.

import { download } from '../engine/download';
import { tf } from '../engine/tf';
import type { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import { stepName } from '../shared/methods';
import type { MetricsRow, SampleRow, TokenColumns } from '../shared/protocol';
import type { AdamW } from './optimizer';

/** All that a stage must remember to go on exactly. Everything else (batches, samples, schedules) is a pure function
 *  of the experiment, its seed and `step`. */
export interface TrainState {
  /** Steps done: optimizer updates, in PPO batches of episodes. */
  step: number;
  adapters: Record<string, Adapter>;
  optimizers: Record<string, AdamW>;
  scalars: Record<string, number>;
}

/** What every stage is given. */
export interface StageContext {
  model: LanguageModel;
  /** The stage's name, which also names its random draws. */
  name: string;
  seed: number;
  /** Told of completions worth watching while the stage trains. */
  onSample: (sample: SampleRow) => void;
}

/** Columns of one number a completion token. */
export type TokenNumbers = Omit<TokenColumns, 'text'>;

export function disposeState(state: TrainState): void {
  for (const adapter of Object.values(state.adapters)) adapter.dispose();
  for (const optimizer of Object.values(state.optimizers)) optimizer.dispose();
}

/** Sums of scalars over micro-batches, made on the device and fetched once: when the update is on its way, not before. */
export class ScalarSums {
  private readonly parts: tf.Tensor[] = [];

  /** The same scalars (or short vectors) in the same order at every call; may be called inside a gradient function. */
  add(...scalars: tf.Tensor[]): void {
    this.parts.push(tf.keep(tf.concat(scalars.map((scalar) => tf.reshape(scalar, [-1])))));
  }

  /** The sums; starts anew. */
  async read(): Promise<number[]> {
    const parts = this.parts.splice(0);
    const rows = await Promise.all(parts.map((part) => download(part)));
    tf.dispose(parts);
    return Array.from(rows[0] ?? [], (_, i) => rows.reduce((sum, row) => sum + row[i]!, 0));
  }
}

/** Columns of one number a row, told micro-batch by micro-batch, also inside a gradient function, and fetched once. */
export class ToldRows {
  private readonly parts: { rows: readonly number[]; told: tf.Tensor }[] = [];

  /** The same columns in the same order at every call, [B] each. */
  add(rows: readonly number[], ...columns: tf.Tensor1D[]): void {
    this.parts.push({ rows, told: tf.keep(tf.concat(columns)) }); // [K·B]
  }

  /** The columns, each by row; starts anew. */
  async read(): Promise<number[][]> {
    const parts = this.parts.splice(0);
    const values = await Promise.all(parts.map(({ told }) => download(told)));
    const columns: number[][] = [];
    parts.forEach(({ rows, told }, m) => {
      told.dispose();
      values[m]!.forEach((value, i) => {
        const column = (columns[Math.floor(i / rows.length)] ??= []);
        column[rows[i % rows.length]!] = value;
      });
    });
    return columns;
  }
}

/** After a look at held-out rows: keeps a copy of the adapter as `best` if `score` (higher is better) is the best yet.
 *  Only where a patience is set. */
export function keepBest(state: TrainState, adapter: Adapter, score: number, patience: number | null): void {
  if (patience === null) return;
  const { scalars, adapters } = state;
  if (score > (scalars['best_score'] ?? -Infinity)) {
    adapters['best']?.dispose();
    adapters['best'] = adapter.clone('best');
    scalars['best_score'] = score;
    scalars['looks_since_best'] = 0;
  } else {
    scalars['looks_since_best'] = (scalars['looks_since_best'] ?? 0) + 1;
  }
}

/** True when `patience` looks have passed without a better one than the best. */
export function outOfPatience({ scalars }: TrainState, patience: number | null): boolean {
  return patience !== null && (scalars['looks_since_best'] ?? 0) >= patience;
}

/** A row of metrics, refused with `not-finite` if one of its numbers is not finite. */
export function metricsRow(stage: string, step: number, metrics: Record<string, number>): MetricsRow {
  for (const [name, value] of Object.entries(metrics)) {
    if (Number.isFinite(value)) continue;
    throw new PlaygroundError(
      'not-finite',
      `Stage ${stage}, ${stepName(stage)} ${step}: ${name} is ${value}.`,
      'The last checkpoint is kept: lower learning_rate, set max_grad_norm, or look for odd rows in the data.',
    );
  }
  return { stage, step, ...metrics };
}

export const mean = (values: ArrayLike<number>): number => sum(values) / values.length;

export function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

/** Deviation with Bessel's correction; 0 for a single value. */
export function deviation(values: ArrayLike<number>): number {
  const centre = mean(values);
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i]! - centre) ** 2;
  return Math.sqrt(squares / Math.max(1, values.length - 1));
}
