// Σ x² over several tensors: the squared global norm that gradient clipping needs.

import { hasKernel, runKernel, tf } from '../tf';

/** Σ over all elements of all tensors, a scalar. */
export function sumOfSquares(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => {
    const squared = (x: tf.Tensor): tf.Scalar =>
      hasKernel('SumOfSquares') ? runKernel('SumOfSquares', { x }) : tf.sum(tf.square(x));
    if (tensors.length === 1) return squared(tensors[0]!);
    // Not addN: on WebGPU it binds every tensor at once, and a shader may have as few as eight.
    return tf.sum(tf.stack(tensors.map(squared)));
  });
}
