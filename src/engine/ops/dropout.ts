// Dropout whose mask is a function of a key and of each number's place: it is drawn anew, alike, for the gradient, so
// that nothing is kept, and it is the same on every backend.

import { uniform } from '../random';
import { hasKernel, runKernel, tf } from '../tf';

/** Each number 0 with probability `p`, else times 1/(1 − p) (Srivastava et al. 2014): number i is dropped where
 *  uniform(key, i) of random.ts is below p. `key` is a hash32; x has any shape. */
export function dropout<T extends tf.Tensor>(x: T, p: number, key: number): T {
  if (!hasKernel('Dropout')) return dropoutReference(x, p, key);
  // A draw has 24 bits: compared as integers, kernel and reference drop the same numbers.
  return runKernel<T>('Dropout', { x }, { key, threshold: Math.ceil(p * 0x1000000), scale: 1 / (1 - p) });
}

/** The same of plain tfjs ops, the mask drawn in JavaScript. */
export function dropoutReference<T extends tf.Tensor>(x: T, p: number, key: number): T {
  const mask = new Float32Array(x.size).map((_, i) => (uniform(key, i) < p ? 0 : 1 / (1 - p)));
  return tf.mul<T>(x, tf.tensor(mask, x.shape));
}

tf.registerGradient({
  kernelName: 'RlhfDropout',
  gradFunc: (dy, _, attrs) => ({
    x: () => runKernel<tf.Tensor>('Dropout', { x: dy as tf.Tensor }, attrs),
  }),
});
