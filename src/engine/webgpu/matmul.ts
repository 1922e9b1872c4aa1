// The matrix product in every transposition, as a sum of one.

import type { tf } from '../tf';
import { computeSums } from './products';

/** scale · op(a) · op(b) + add → [M, N]; add is [M, N], or [N] for every row. */
export function matmulKernel(
  { a, b, add }: { a: tf.TensorInfo; b: tf.TensorInfo; add?: tf.TensorInfo },
  { transposeA, transposeB, scale }: { transposeA: boolean; transposeB: boolean; scale: number },
): tf.TensorInfo {
  const added = add && (add.shape.length === 1 ? { bias: add } : { add });
  const [result] = computeSums([{ terms: [{ a, b, transposeA, transposeB }], scale, ...added }]);
  return result!;
}
