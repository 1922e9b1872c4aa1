// The way between ragged rows (one number for each completion token, as the losses' host side has them) and padded
// tensors (as the model gives and takes them).

import type { MicroBatch } from '../data/micro-batches';
import { tf } from '../engine/tf';
import type { CompletionBatch } from '../model/types';

/** Runs `compute` ([B, T] for each micro-batch) without gradients; the values at each row's completion tokens. */
export async function perToken(
  batches: readonly MicroBatch[],
  compute: (batch: CompletionBatch) => tf.Tensor,
): Promise<Float32Array[]> {
  const results: Float32Array[] = [];
  const tensors = batches.map(({ batch }) => tf.tidy(() => compute(batch)));
  for (const [m, { rows, batch }] of batches.entries()) {
    const values = (await tensors[m]!.data()) as Float32Array; // [B·T]
    rows.forEach((row, b) => {
      const start = b * batch.length;
      const line = values.subarray(start, start + batch.length);
      results[row] = line.filter((_, t) => batch.completion[start + t] === 1);
    });
  }
  tf.dispose(tensors);
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
