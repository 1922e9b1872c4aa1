// What the checks of a golden directory share: its layout, and the ways from its rows to batches, from a tensor to
// numbers, from a loss to its gradients.

import { tf } from '../engine/tf';
import type { Adapter } from '../model/lora';
import type { CompletionBatch, LanguageModel, TokenBatch } from '../model/types';
import { accumulateGradients } from '../train/optimizer';

export type Rows = number[][];

/** cases.json, as far as it is there. */
export interface Cases {
  batch: { input_ids: Rows; attention_mask: Rows };
  left_padded?: { input_ids: Rows; attention_mask: Rows };
  sft?: { completion_mask: Rows; loss: number };
  sft_adamw?: {
    learning_rate: number;
    betas: [number, number];
    eps: number;
    weight_decay: number;
    steps: number;
    losses: number[];
    max_grad_norm: number | null;
  };
  dpo?: {
    beta: number;
    completion_mask: Rows;
    chosen_row: number;
    rejected_row: number;
    loss: number;
    policy_logps: number[];
    reference_logps: number[];
    reference_adapter?: string;
  };
  reward?: { scores: number[]; loss: number; adapter?: string; chosen_row?: number; rejected_row?: number };
  ppo_policy?: { cliprange: number; response_mask: Rows; loss: number; clipfrac?: number; approxkl?: number };
  ppo_value?: { cliprange_value: number; loss: number; adapter?: string; response_mask?: Rows };
  greedy?: { prompt: number[]; output: number[]; adapter?: string | null };
}

type Reference = (name: string) => Float32Array | null;
type Report = (kase: string, tensor: string, actual: ArrayLike<number>, expected: ArrayLike<number>) => void;

export interface Golden {
  model: LanguageModel;
  cases: Cases;
  /** A tensor of cases.safetensors. */
  reference: Reference;
  /** Names in cases.safetensors with this beginning, without it. */
  namesUnder: (prefix: string) => string[];
  adapter: (name: string) => Promise<Adapter>;
  report: Report;
}

/** The critic's adapter with the head that cases.safetensors holds. */
export async function critic({ adapter, reference }: Golden, name = 'critic'): Promise<Adapter> {
  return (await adapter(name)).clone(name, reference('score.weight') ?? undefined);
}

/** Compares a loss, and its gradients with every one the directory holds for this case. */
export async function checkGradients(
  { namesUnder, reference, report }: Golden,
  kase: string,
  adapter: Adapter,
  loss: () => tf.Scalar,
  expected: number,
): Promise<void> {
  report(kase, 'loss', await numbers(loss), [expected]);
  const gradients = accumulateGradients(loss, [...adapter.variables.values()], null);
  const names = [...adapter.variables.keys()];
  for (const name of namesUnder(`${kase}.grad.`)) {
    const actual = (await gradients[names.indexOf(name)]?.data()) ?? [];
    report(kase, `grad.${name}`, actual, reference(`${kase}.grad.${name}`) ?? []);
  }
  tf.dispose(gradients);
}

export async function numbers(compute: () => tf.Tensor): Promise<Float32Array> {
  const tensor = tf.tidy(compute);
  const values = (await tensor.data()) as Float32Array;
  tensor.dispose();
  return values;
}

export function tokens({
  input_ids: ids,
  attention_mask: mask,
}: {
  input_ids: Rows;
  attention_mask: Rows;
}): TokenBatch {
  return {
    ids: Int32Array.from(ids.flat()),
    mask: Int32Array.from(mask.flat()),
    batch: ids.length,
    length: ids[0]?.length ?? 0,
  };
}

/** A batch with the marked tokens as completions, save a row's first: nothing predicts it. */
export function completions(side: { input_ids: Rows; attention_mask: Rows }, marked: Rows): CompletionBatch {
  const batch = tokens(side);
  const predicted = (b: number, t: number): boolean =>
    marked[b]?.[t] === 1 && t > 0 && side.attention_mask[b]?.[t - 1] === 1;
  const completion = batch.ids.map((_, i) =>
    predicted(Math.floor(i / batch.length), i % batch.length) ? 1 : 0,
  );
  return { ...batch, completion };
}

export const count = ({ completion }: CompletionBatch): number =>
  completion.reduce((sum, one) => sum + one, 0);

export const pick = <T>(rows: readonly T[], which: readonly number[]): T[] =>
  which.map((row) => rows[row] as T);
