// Rows on their way through the model in micro-batches of similar length and bounded size; completions of one prompt stand
// side by side, as what they have in common is computed once (model/distinct.ts). The order is by length, then index, so that
// the same rows always meet the same neighbours and padding, whatever order they came in: a log-probability computed twice
// is then the same number. `perToken` and `padded` lead from padded tensors to ragged rows (one number for each completion
// token, as advantages are computed) and back.

import { download } from '../engine/download';
import { tf } from '../engine/tf';
import type { CompletionBatch } from '../model/types';
import { bucketLength, collate, type Sequence } from './batches';

/** Some rows of a list (`rows` are their places in it), padded to one length. */
export interface MicroBatch {
  rows: number[];
  batch: CompletionBatch;
}

/** Most padded tokens of one micro-batch: bounds memory, and changes nothing else. */
export const MICRO_BATCH_TOKENS = 2048;

/** Cuts rows (default: all) of a list into micro-batches of at most `most` rows, those of the longest prompt with its
 *  completion first. */
export function microBatches(
  sequences: readonly Sequence[],
  context: number,
  rows: Iterable<number> = sequences.keys(),
  most = Infinity,
): MicroBatch[] {
  const lengthOf = (row: number): number => sequences[row]!.ids.length;
  const promptOf = (row: number): string => {
    const { ids, promptLength } = sequences[row]!;
    return ids.slice(0, promptLength).join();
  };
  return chunks(rows, lengthOf, context, { most, groupOf: promptOf }).map((some) => ({
    rows: some,
    batch: collate(
      some.map((row) => sequences[row]!),
      context,
    ),
  }));
}

interface Cut {
  /** Sequences that a row stands for. */
  width?: number;
  /** Rows of a micro-batch at the most. */
  most?: number;
  /** Rows of one group stand side by side. */
  groupOf?: (row: number) => string | number;
}

/** The rows of each micro-batch; a row's sequences have at most the given length. */
export function chunks(
  rows: Iterable<number>,
  lengthOf: (row: number) => number,
  context: number,
  { width = 1, most = Infinity, groupOf = (row) => row }: Cut = {},
): number[][] {
  const byLength = (a: number, b: number): number => lengthOf(b) - lengthOf(a) || a - b;
  const groups = new Map<string | number, number[]>();
  for (const row of Array.from(rows).sort(byLength)) {
    const group = groups.get(groupOf(row));
    if (group) group.push(row);
    else groups.set(groupOf(row), [row]);
  }
  const result: number[][] = [];
  let [chunk, longest]: [number[], number] = [[], 0];
  // A map keeps its groups in the order of their longest rows.
  for (const row of [...groups.values()].flat()) {
    const length = bucketLength(lengthOf(row), context);
    const tokens = (chunk.length + 1) * width * Math.max(longest, length);
    if (chunk.length === 0 || chunk.length === most || tokens > MICRO_BATCH_TOKENS) {
      [chunk, longest] = [[], 0];
      result.push(chunk);
    }
    chunk.push(row);
    longest = Math.max(longest, length);
  }
  return result;
}

/** Runs `compute` ([B, T] for each micro-batch) without gradients; the values at each row's completion tokens. */
export async function perToken(
  batches: readonly MicroBatch[],
  compute: (batch: CompletionBatch) => tf.Tensor,
): Promise<Float32Array[]> {
  const results: Float32Array[] = [];
  const tensors = batches.map(({ batch }) => tf.tidy(() => compute(batch)));
  const read = await Promise.all(tensors.map((tensor) => download(tensor))); // [B·T] each
  tf.dispose(tensors);
  batches.forEach(({ rows, batch }, m) => {
    rows.forEach((row, b) => {
      const start = b * batch.length;
      const line = read[m]!.subarray(start, start + batch.length);
      results[row] = line.filter((_, t) => batch.completion[start + t] === 1);
    });
  });
  return results;
}

/** The other way: one number for each completion token of each row, as [B, T] with 0 elsewhere. */
export function padded({ rows, batch }: MicroBatch, values: readonly ArrayLike<number>[]): tf.Tensor2D {
  const flat = new Float32Array(batch.batch * batch.length);
  rows.forEach((row, b) => {
    let next = 0;
    for (let i = b * batch.length; i < (b + 1) * batch.length; i++) {
      if (batch.completion[i] === 1) flat[i] = values[row]![next++]!;
    }
  });
  return tf.tensor2d(flat, [batch.batch, batch.length]);
}
