// The gradient of an output matrix [V, C], a few rows at a time, so that no [N, V] exists here either. Only full
// fine-tuning asks for it.

import { tf } from '../tf';
import { matmul } from './matmul';

/** Logits that are held at a time. */
const CHUNK = 2 ** 21;

/** Cuts n rows out of a tensor: [N, C] to [n, C], [N] to [n, 1]. */
type Rows = (of: tf.Tensor) => tf.Tensor2D;

/** scale · Σ dzᵀ·hidden, [V, C], where `dz` gives the gradient of some rows' scaled logits, [n, V]. hidden [N, C]. */
export function headGradient(
  hidden: tf.Tensor2D,
  head: tf.Tensor2D,
  scale: number,
  dz: (rows: Rows) => tf.Tensor,
): tf.Tensor2D {
  const [N, V] = [hidden.shape[0], head.shape[0]];
  const step = Math.ceil(CHUNK / V);
  let sum = tf.zerosLike(head); // [V, C]
  for (let start = 0; start < N; start += step) {
    const n = Math.min(step, N - start);
    const before = sum;
    sum = tf.tidy(() => {
      const rows: Rows = (of) => {
        const columns = of.size / N;
        return tf.slice(tf.reshape<tf.Rank.R2>(of, [N, columns]), [start, 0], [n, columns]);
      };
      return matmul(dz(rows) as tf.Tensor2D, rows(hidden), { transposeA: true, scale, add: before });
    });
    before.dispose();
  }
  return sum;
}
