// The exact KL of two predictors over the whole vocabulary on every device, against the reference on the CPU.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Predictor, tokenKl } from '../src/engine/ops/token-kl';
import { hasKernel, runKernel, tf } from '../src/engine/tf';
import { DEVICES, errorOf, extent, hold, property, random, useDevice, withGradients } from './kernels';

const vocabulary = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 200, max: 700 }));
const rows = fc.oneof(extent, fc.integer({ min: 100, max: 300 }));
const temperature = fc.constantFrom(1, 0.6);

describe.each(DEVICES)('%s', (device) => {
  useDevice(device);

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
        const same = tf.tidy(() => of([...drawn().slice(0, 2), ...drawn().slice(0, 2)]).kl);
        expect(Array.from(await same.data())).toEqual(Array(N).fill(0));
        same.dispose();
      },
      6,
    );
  });

  // Wasm's chunks are of a length of its own, which the vocabularies above exceed.
  test.skipIf(device === 'wasm')('a vocabulary in chunks, the last one short', async () => {
    expect(['TokenKl', 'TokenKlGrad'].filter((name) => !hasKernel(name))).toEqual([]);
    const [N, V, C] = [9, 200, 24];
    const inputs = Object.fromEntries(
      ['p', 'q'].flatMap((side) => [
        [side, random([N, C], side)],
        [`${side}Head`, random([V, C], 'head', side)],
      ]),
    );
    const dKl = random([N], 'dKl');
    const of = async (chunk: number | undefined) => {
      const attributes = { temperature: 0.7, ...(chunk && { chunk }) };
      const values = runKernel<tf.Tensor[]>('TokenKl', inputs, attributes);
      const [kl, pLse, qLse] = values as [tf.Tensor, tf.Tensor, tf.Tensor];
      const slopes = [true, false].map((ofP) =>
        runKernel<tf.Tensor>('TokenKlGrad', { ...inputs, kl, pLse, qLse, dKl }, { ...attributes, ofP }),
      );
      const read = await Promise.all([...values, ...slopes].map((x) => x.data()));
      tf.dispose([values, slopes]);
      return read;
    };
    const whole = await of(undefined);
    (await of(64)).forEach((found, i) =>
      expect(errorOf(found, whole[i]!, 0.1), `output ${i}`).toBeLessThan(1e-5),
    );
    tf.dispose([inputs, dKl]);
  });
});
