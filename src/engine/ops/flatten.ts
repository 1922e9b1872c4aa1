// Tensors end to end, so that an optimizer treats all parameters at once.

import { hasKernel, runKernel, tf } from '../tf';

/** All elements of all tensors in order, [P]. Not differentiable. */
export function flatten(tensors: readonly tf.Tensor[]): tf.Tensor1D {
  if (tensors.length > 1 && hasKernel('Flatten')) return runKernel('Flatten', {}, { tensors });
  return tf.tidy(() => {
    const flat = tensors.map((tensor) => tf.reshape<tf.Rank.R1>(tensor, [tensor.size]));
    return flat.length > 1 ? tf.concat(flat) : tf.clone(flat[0]!);
  });
}
