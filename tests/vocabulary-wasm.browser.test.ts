// What meets the whole vocabulary on wasm, against the references on the CPU: log-probabilities, entropies and exact KL.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Predictor, tokenKl } from '../src/engine/ops/token-kl';
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
          tokenLogprobs(hidden as tf.Tensor2D, head as tf.Tensor2D, ids, temperature);
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

test('exact KL: two heads and widths, near and far, a thing from itself', async () => {
  const shapes = fc.record({
    ...{ N: rows, V: vocabulary, C: extent, D: extent, temperature },
    kind: fc.constantFrom('strangers', 'one head', 'neighbours'),
  });
  await property(
    shapes,
    async ({ N, V, C, D, temperature, kind }) => {
      const drawn = (): tf.Tensor[] => {
        const p = [random([N, C], 'p'), random([V, C], 'P')];
        const q = {
          strangers: () => [random([N, D], 'q'), random([V, D], 'Q')],
          'one head': () => [random([N, C], 'q'), p[1]!],
          neighbours: () => p.map((x, i) => tf.add(x, tf.mul(1e-3, random(x.shape, i)))),
        }[kind]();
        return [...p, ...q].map((x) => tf.mul(x, x.shape[1]! ** -0.25));
      };
      const of = (xs: tf.Tensor[]) => {
        const [p, q] = [xs.slice(0, 2), xs.slice(2)].map(
          ([hidden, head]) => ({ hidden, head }) as unknown as Predictor,
        );
        return tokenKl(p!, q!, temperature);
      };
      await hold(() => {
        const inputs = drawn();
        return [of(inputs).agree, ...withGradients((...xs) => of(xs).kl, inputs)];
      }, 1e-4);
      const same = tf.tidy(() => of([...drawn().slice(0, 2), ...drawn().slice(0, 2)]).kl.dataSync());
      expect(Array.from(same)).toEqual(Array(N).fill(0));
    },
    10,
  );
});
