// LayerNorm over the last axis, as one kernel: composed of tfjs ops it is eight passes over the activations forward
// and more backward.

import { hasKernel, runKernel, tf } from '../tf';

/** (x − mean)/√(var + eps) · gamma + beta, biased variance. x [N, C], gamma [C], beta [C] → [N, C]. */
export function layerNorm(x: tf.Tensor2D, gamma: tf.Tensor, beta: tf.Tensor, eps: number): tf.Tensor2D {
  if (!hasKernel('LayerNorm')) return layerNormReference(x, gamma, beta, eps);
  return runKernel('LayerNorm', { x, gamma, beta }, { eps });
}

/** The same of plain tfjs ops. */
export function layerNormReference(
  x: tf.Tensor2D,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  eps: number,
): tf.Tensor2D {
  return tf.add<tf.Tensor2D>(tf.mul(normalised(x, eps), gamma), beta);
}

/** (x − mean)/√(var + eps) by rows, [N, C]. */
function normalised(x: tf.Tensor2D, eps: number): tf.Tensor2D {
  const centred = tf.sub(x, tf.mean(x, 1, true)); // [N, C]
  const variance = tf.mean(tf.square(centred), 1, true); // [N, 1]
  return tf.mul<tf.Tensor2D>(centred, tf.rsqrt(tf.add(variance, eps)));
}

tf.registerGradient({
  kernelName: 'RlhfLayerNorm',
  inputsToSave: ['x', 'gamma'],
  gradFunc: (dy, saved, attrs) => {
    const [x, gamma] = saved as [tf.Tensor2D, tf.Tensor];
    return layerNormGradients(x, gamma, dy as tf.Tensor2D, attrs['eps'] as number);
  },
});

/** The gradients for dy [N, C] by need; `add` [N, C] is added to that of x. */
export function layerNormGradients(
  x: tf.Tensor2D,
  gamma: tf.Tensor,
  dy: tf.Tensor2D,
  eps: number,
  add?: tf.Tensor2D,
) {
  return {
    x: () => runKernel<tf.Tensor>('LayerNormGrad', add ? { x, gamma, dy, add } : { x, gamma, dy }, { eps }),
    // Only full fine-tuning asks for these two.
    gamma: () => tf.sum(tf.mul(dy, normalised(x, eps)), 0),
    beta: () => tf.sum(dy, 0),
  };
}
