// GELU (Hendrycks & Gimpel 2016, §2): in the tanh form that GPT-Neo and GPT-2 call gelu_new, and exact as GPT-NeoX
// has it.

import { hasKernel, runKernel, tf } from '../tf';

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/** ½x(1 + tanh(√(2/π)(x + 0.044715x³))), elementwise. */
export function gelu(x: tf.Tensor2D): tf.Tensor2D {
  return hasKernel('Gelu') ? runKernel('Gelu', { x }) : geluReference(x);
}

/** The same of plain tfjs ops. */
export function geluReference(x: tf.Tensor2D): tf.Tensor2D {
  const cube = tf.mul(tf.mul(tf.mul(x, x), x), 0.044715);
  const t = tf.tanh(tf.mul(tf.add(x, cube), SQRT_2_OVER_PI));
  return tf.mul<tf.Tensor2D>(tf.mul(x, 0.5), tf.add(t, 1));
}

/** dy · d gelu/dx at x, elementwise. */
export function geluGrad(x: tf.Tensor2D, dy: tf.Tensor2D): tf.Tensor2D {
  if (hasKernel('Gelu')) return runKernel('GeluGrad', { x, dy });
  const square = tf.square(x);
  const t = tf.tanh(tf.mul(tf.mul(x, tf.add(tf.mul(square, 0.044715), 1)), SQRT_2_OVER_PI));
  const inner = tf.mul(tf.add(tf.mul(square, 3 * 0.044715), 1), SQRT_2_OVER_PI);
  const slope = tf.add(tf.add(t, 1), tf.mul(tf.mul(x, tf.sub(1, tf.square(t))), inner));
  return tf.mul(tf.mul(dy, slope), 0.5);
}

/** ½x(1 + erf(x/√2)), elementwise. */
export function geluExact(x: tf.Tensor2D): tf.Tensor2D {
  return tf.mul<tf.Tensor2D>(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

tf.registerGradient({
  kernelName: 'RlhfGelu',
  inputsToSave: ['x'],
  gradFunc: (dy, saved) => {
    const [x] = saved as [tf.Tensor2D];
    return { x: () => geluGrad(x, dy as tf.Tensor2D) };
  },
});
