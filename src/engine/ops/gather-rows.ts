// Rows of a matrix by index: token and position embeddings, and the hidden states that predict a completion. The
// gradient is our own because tfjs's (UnsortedSegmentSum) is missing on wasm and adds floats in random order on WebGPU.

import { hasKernel, runKernel, tf } from '../tf';

/** table [R, C], ids int32 [N], every id in 0 … R−1 → [N, C]. */
export function gatherRows(table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D {
  const rows = table.shape[0];
  if (hasKernel('GatherRows')) return runKernel('GatherRows', { table, ids }, { rows });
  const gather = tf.customGrad((...inputs) => {
    const [of, save] = inputs as unknown as [tf.Tensor2D, tf.GradSaveFunc];
    save([ids]); // they may be disposed before the backward pass
    return {
      value: tf.gather(of, ids),
      gradFunc: (dy: tf.Tensor2D, [saved]: tf.Tensor[]) => scatterRows(dy, saved as tf.Tensor1D, rows),
    };
  });
  return gather(table);
}

/** The adjoint: out[ids[n]] += x[n], summed in the order of n. x [N, C], ids int32 [N] → [rows, C]. */
export function scatterRows(x: tf.Tensor2D, ids: tf.Tensor1D, rows: number): tf.Tensor2D {
  if (!hasKernel('ScatterRows')) return scatterRowsReference(x, ids, rows);
  return runKernel('ScatterRows', { x, ids }, { rows });
}

/** The same of plain tfjs ops: a product with the one-hot matrix. */
export function scatterRowsReference(x: tf.Tensor2D, ids: tf.Tensor1D, rows: number): tf.Tensor2D {
  return tf.matMul(tf.cast(tf.oneHot(ids, rows), 'float32'), x, true, false);
}

tf.registerGradient({
  kernelName: 'RlhfGatherRows',
  inputsToSave: ['ids'],
  gradFunc: (dy, saved, attrs) => {
    const [ids] = saved as [tf.Tensor1D];
    return { table: () => scatterRows(dy as tf.Tensor2D, ids, attrs['rows'] as number) };
  },
});
