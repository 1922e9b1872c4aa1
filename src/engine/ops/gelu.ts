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

/** ½x(1 + erf(x/√2)), elementwise. */
export function geluExact(x: tf.Tensor2D): tf.Tensor2D {
  return tf.mul<tf.Tensor2D>(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

tf.registerGradient({
  kernelName: 'RlhfGelu',
  inputsToSave: ['x'],
  gradFunc: (dy, saved) => {
    const [x] = saved as [tf.Tensor];
    return { x: () => runKernel<tf.Tensor>('GeluGrad', { x, dy: dy as tf.Tensor }) };
  },
});
