// RMSNorm over the last axis (Zhang & Sennrich 2019): LayerNorm without the mean and the shift, as Llama has it.

import { hasKernel, runKernel, tf } from '../tf';

/** x/√(mean x² + eps) · gamma. x [N, C], gamma [C] → [N, C]. */
export function rmsNorm(x: tf.Tensor2D, gamma: tf.Tensor, eps: number): tf.Tensor2D {
  return hasKernel('RmsNorm') ? runKernel('RmsNorm', { x, gamma }, { eps }) : rmsNormReference(x, gamma, eps);
}

/** The same of plain tfjs ops. */
function rmsNormReference(x: tf.Tensor2D, gamma: tf.Tensor, eps: number): tf.Tensor2D {
  return tf.mul<tf.Tensor2D>(normalised(x, eps), gamma);
}

/** x/√(mean x² + eps) by rows, [N, C]. */
function normalised(x: tf.Tensor2D, eps: number): tf.Tensor2D {
  const square = tf.mean(tf.square(x), 1, true); // [N, 1]
  return tf.mul<tf.Tensor2D>(x, tf.rsqrt(tf.add(square, eps)));
}

tf.registerGradient({
  kernelName: 'RlhfRmsNorm',
  inputsToSave: ['x', 'gamma'],
  gradFunc: (dy, saved, attrs) => {
    const [x, gamma] = saved as [tf.Tensor2D, tf.Tensor];
    return rmsNormGradients(x, gamma, dy as tf.Tensor2D, attrs['eps'] as number);
  },
});

/** The gradients for dy [N, C] by need; `add` [N, C] is added to that of x. */
export function rmsNormGradients(
  x: tf.Tensor2D,
  gamma: tf.Tensor,
  dy: tf.Tensor2D,
  eps: number,
  add?: tf.Tensor2D,
) {
  return {
    x: () => runKernel<tf.Tensor>('RmsNormGrad', add ? { x, gamma, dy, add } : { x, gamma, dy }, { eps }),
    // Only full fine-tuning asks for it.
    gamma: () => tf.sum(tf.mul(dy, normalised(x, eps)), 0),
  };
}
