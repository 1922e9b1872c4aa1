// Log-probabilities and entropies over the whole vocabulary on wasm, against the reference on the CPU.
import fc from 'fast-check';
import { test } from 'vitest';
import { tokenLogprobs } from '../src/engine/ops/token-logprobs';
import { tf } from '../src/engine/tf';
import { extent, hold, integers, property, random, useDevice, withGradients } from './kernels';

useDevice('wasm');

const vocabulary = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 200, max: 700 }));
const rows = fc.oneof(extent, fc.integer({ min: 100, max: 300 }));
const temperature = fc.constantFrom(1, 0.6);

test('log-probabilities of tokens and entropies, together and alone', async () => {
  const shapes = fc.record({ N: rows, V: vocabulary, C: extent, temperature, alone: fc.boolean() });
  await property(
    shapes,
    ({ N, V, C, temperature, alone }) =>
      hold(() => {
        const ids = tf.tensor1d(integers(N, V, 'ids'), 'int32');
        const of = (hidden: tf.Tensor, head: tf.Tensor) =>
          tokenLogprobs(hidden as tf.Tensor2D, head as tf.Tensor2D, ids, temperature, !alone);
        const inputs = [tf.mul(random([N, C], 'hidden'), C ** -0.5), random([V, C], 'head')];
        // Of log-probabilities alone the forward pass knows the gradient.
        const read = (hidden: tf.Tensor, head: tf.Tensor) => {
          const { logprobs, entropy } = of(hidden, head);
          return alone ? logprobs : tf.stack([logprobs, entropy]);
        };
        const [hidden, head] = inputs as [tf.Tensor, tf.Tensor];
        return [of(hidden, head).correct, ...withGradients((a, b) => read(a, b), inputs)];
      }),
    10,
  );
});
