// A value that a gradient passes by. tfjs has no stop_gradient; a custom gradient without inputs is one: nothing that
// is computed inside it reaches the tape.

import { tf } from './tf';

/** What `compute` gives, a constant to every gradient. Call inside a tidy. */
export function constant<T extends tf.Tensor>(compute: () => T): T {
  return tf.customGrad(() => ({ value: tf.tidy(compute), gradFunc: () => [] }))();
}
