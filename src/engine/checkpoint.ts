// Gradient checkpointing (Chen et al. 2016): a part of the forward pass keeps its input alone and is computed again in
// the backward pass. It costs one more forward pass and saves most of the memory of training.

import { tf } from './tf';

/**
 * f(x), whose gradients are those in `inputs` (tensors that f reads, x among them if its gradient is wanted). f must
 * give the same result when it runs again.
 */
export function checkpoint(
  f: (x: tf.Tensor2D) => tf.Tensor2D,
  x: tf.Tensor2D,
  inputs: readonly tf.Tensor[],
): tf.Tensor2D {
  if (inputs.length === 0) return tf.tidy(() => f(x));
  const run = tf.customGrad((...given) => {
    const save = given.pop() as unknown as tf.GradSaveFunc;
    save([x]); // it may be disposed before the backward pass
    return {
      value: tf.tidy(() => f(x)),
      gradFunc: (dy: tf.Tensor, [kept]: tf.Tensor[]) => {
        const again = inputs.map((input) => (input === x ? (kept as tf.Tensor) : input));
        const { state } = tf.engine();
        const outer = state.activeTape;
        try {
          return tf.grads(() => f(kept as tf.Tensor2D))(again, dy);
        } finally {
          // A gradient inside a gradient ends the tape for both.
          state.activeTape = outer;
        }
      },
    };
  });
  return run(...(inputs as tf.Tensor[]));
}
