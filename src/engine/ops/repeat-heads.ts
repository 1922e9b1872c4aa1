// Grouped-query attention (Ainslie et al. 2023): several query heads share one key and value head. Attention itself
// knows equal numbers of them, so the shared ones are repeated before it.

import { tf } from '../tf';

/** Each head of x [N, K·D] `times` times in a row: [N, K·times·D]. */
export function repeatHeads(x: tf.Tensor2D, heads: number, times: number): tf.Tensor2D {
  if (times === 1) return x;
  const [rows, width] = x.shape;
  const grouped = tf.reshape(x, [rows * heads, 1, width / heads]); // [N·K, 1, D]
  // Not tile, whose gradient is a loop of slices.
  return tf.reshape(tf.mul(grouped, tf.ones([1, times, 1])), [rows, width * times]);
}
