// Rows of a matrix put elsewhere, each at most once: its adjoint moves them back, where a gather's must add them up.

import { recordOp } from '../private';
import { hasKernel, runKernel, tf } from '../tf';

/** x [R, C] → [from.length, C]: row n is row from[n] of x, or 0 where that is −1. No row of x is taken twice. */
export function placeRows(x: tf.Tensor2D, from: Int32Array): tf.Tensor2D {
  const [rows] = x.shape;
  const backward = ([dy]: tf.Tensor[]) => ({
    x: () => {
      const back = new Int32Array(rows).fill(-1);
      from.forEach((row, n) => {
        if (row >= 0) back[row] = n;
      });
      return take(dy as tf.Tensor2D, back);
    },
  });
  return tf.tidy(() => {
    const [placed] = recordOp({ inputs: { x }, outputs: [take(x, from)], save: [], backward });
    return placed as tf.Tensor2D;
  });
}

function take(x: tf.Tensor2D, from: Int32Array): tf.Tensor2D {
  if (hasKernel('GatherRows')) {
    return runKernel('GatherRows', { table: x, ids: tf.tensor1d(from, 'int32') }, { rows: x.shape[0] });
  }
  const kept = Float32Array.from(from, (row) => Number(row >= 0));
  const rows = tf.gather(
    x,
    tf.tensor1d(
      from.map((row) => Math.max(row, 0)),
      'int32',
    ),
  );
  return tf.mul(rows, tf.tensor2d(kept, [from.length, 1]));
}
