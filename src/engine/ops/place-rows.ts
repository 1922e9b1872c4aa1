// Rows of a matrix put elsewhere. Which ones is known here, so the adjoint needs no search: it moves each row back, or
// adds up the copies of each in their order.

import { recordOp } from '../private';
import { hasKernel, runKernel, tf } from '../tf';

/** x [R, C] → [from.length, C]: row n is row from[n] of x, or 0 where that is −1. */
export function placeRows(x: tf.Tensor2D, from: Int32Array): tf.Tensor2D {
  const [rows] = x.shape;
  const backward = ([dy]: tf.Tensor[]) => ({ x: () => sumCopies(dy as tf.Tensor2D, from, rows) });
  return tf.tidy(() => {
    const [placed] = recordOp({ inputs: { x }, outputs: [take(x, from)], save: [], backward });
    return placed as tf.Tensor2D;
  });
}

/** The adjoint: row r is the sum of the rows n of dy with from[n] = r, in the order of n. dy [N, C] → [rows, C]. */
function sumCopies(dy: tf.Tensor2D, from: Int32Array, rows: number): tf.Tensor2D {
  const counts = new Int32Array(rows);
  for (const row of from) if (row >= 0) counts[row]!++;
  if (counts.every((count) => count <= 1)) {
    const back = new Int32Array(rows).fill(-1);
    from.forEach((row, n) => {
      if (row >= 0) back[row] = n;
    });
    return take(dy, back);
  }
  if (!hasKernel('SumRows')) return sumCopiesReference(dy, from, rows);
  // The copies of row r are places[starts[r]] … places[starts[r + 1] − 1].
  const starts = new Int32Array(rows + 1);
  counts.forEach((count, row) => (starts[row + 1] = starts[row]! + count));
  const next = starts.slice();
  const places = new Int32Array(Math.max(1, starts[rows]!));
  from.forEach((row, n) => {
    if (row >= 0) places[next[row]!++] = n;
  });
  return runKernel('SumRows', {
    x: dy,
    starts: tf.tensor1d(starts, 'int32'),
    places: tf.tensor1d(places, 'int32'),
  });
}

/** The same of plain tfjs ops: a product with the matrix of which row is a copy of which. */
function sumCopiesReference(dy: tf.Tensor2D, from: Int32Array, rows: number): tf.Tensor2D {
  const copies = tf.equal(tf.tensor2d(from, [from.length, 1], 'int32'), tf.range(0, rows, 1, 'int32')); // [N, rows]
  return tf.matMul(tf.cast(copies, 'float32'), dy, true, false);
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
