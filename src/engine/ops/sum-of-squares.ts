// Σ x² over several tensors: the squared global norm that gradient clipping needs.

import { hasKernel, runKernel, tf } from '../tf';

/** Σ over all elements of all tensors, a scalar. */
export function sumOfSquares(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => {
    const parts = tensors.map((x) => (hasKernel('SumOfSquares') ? runKernel<tf.Scalar>('SumOfSquares', { x }) : tf.sum<tf.Scalar>(tf.square(x))));
    return tf.addN(parts);
  });
}
