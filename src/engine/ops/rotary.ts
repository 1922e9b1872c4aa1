// Rotary position embedding (Su et al. 2021) in the half-rotation form of Llama and GPT-NeoX: in each head, number d
// of the first half and number d of the second are turned by the angle of their position and frequency.

import { hasKernel, runKernel, tf } from '../tf';

/**
 * x [N, H·D] turned head by head; cos and sin [N, R/2] are of the angles of each row. The last D − R numbers of a head
 * stay as they are.
 */
export function rotary(x: tf.Tensor2D, cos: tf.Tensor2D, sin: tf.Tensor2D, heads: number): tf.Tensor2D {
  if (!hasKernel('Rotary')) return rotaryReference(x, cos, sin, heads);
  return runKernel('Rotary', { x, cos, sin }, { heads, sign: 1 });
}

/** The same of plain tfjs ops. */
function rotaryReference(x: tf.Tensor2D, cos: tf.Tensor2D, sin: tf.Tensor2D, heads: number): tf.Tensor2D {
  const [rows, width] = x.shape;
  const size = width / heads;
  const half = cos.shape[1];
  const [c, s] = [tf.reshape(cos, [rows, 1, half]), tf.reshape(sin, [rows, 1, half])]; // [N, 1, R/2]
  const sizes = size > 2 * half ? [half, half, size - 2 * half] : [half, half];
  const [a, b, ...rest] = tf.split(tf.reshape(x, [rows, heads, size]), sizes, 2) as [tf.Tensor, tf.Tensor]; // [N, H, R/2] twice
  const turned = [tf.sub(tf.mul(a, c), tf.mul(b, s)), tf.add(tf.mul(b, c), tf.mul(a, s))];
  return tf.reshape(tf.concat([...turned, ...rest], 2), [rows, width]);
}

tf.registerGradient({
  kernelName: 'RlhfRotary',
  inputsToSave: ['cos', 'sin'],
  gradFunc: (dy, saved, attrs) => {
    const [cos, sin] = saved as [tf.Tensor2D, tf.Tensor2D];
    // A rotation's adjoint turns back.
    const back = { heads: attrs['heads'] as number, sign: -(attrs['sign'] as number) };
    return { x: () => runKernel<tf.Tensor>('Rotary', { x: dy as tf.Tensor, cos, sin }, back) };
  },
});
