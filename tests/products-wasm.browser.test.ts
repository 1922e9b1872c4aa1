// Sums of matrix products on wasm against their reference on the CPU: any terms, packed or not, with all that may stand
// beside them; and that neither the rows beside a row nor threads change its bits.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openDevice } from '../src/engine/device';
import { type Product, products, type Term } from '../src/engine/ops/products';
import { normals } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import { packMatrix } from '../src/model/quantize';
import { extent, hold, property, random, useDevice } from './kernels';

useDevice('wasm');

const packing = fc.constantFrom('float16', 'int8', 'nf4', 'nf4_double', null);
const depth = fc.oneof(extent, fc.integer({ min: 250, max: 600 }));
const oneTerm = fc.record({ K: depth, transposeA: fc.boolean(), transposeB: fc.boolean(), packing });
const oneProduct = fc.record({
  M: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 300 })),
  N: fc.oneof(extent, fc.integer({ min: 1, max: 300 })),
  terms: fc.array(oneTerm, { minLength: 1, maxLength: 3 }),
  ...{ bias: fc.boolean(), add: fc.boolean(), slope: fc.boolean(), gelu: fc.boolean(), scaled: fc.boolean() },
});

type Drawn = typeof oneProduct extends fc.Arbitrary<infer T> ? T : never;

function made({ M, N, terms, scaled, ...has }: Drawn, i: number): Product {
  const beside = (name: 'bias' | 'add' | 'slope', ...shape: number[]) =>
    has[name] ? (random(shape, i, name) as tf.Tensor2D) : undefined;
  return {
    terms: terms.map(({ K, transposeA, transposeB, packing }, t): Term => {
      const shape: [number, number] = transposeB ? [N, K] : [K, N];
      const values = normals(K * N, i, t, 'b').map((value) => value / Math.sqrt(K));
      return {
        a: random(transposeA ? [K, M] : [M, K], i, t, 'a') as tf.Tensor2D,
        b: packing ? packMatrix(values, shape, packing) : tf.tensor2d(values, shape),
        ...{ transposeA, transposeB },
      };
    }),
    // A scale stands with one product alone.
    ...(scaled && terms.length === 1 && !has.bias && { scale: 0.3 }),
    ...{ bias: beside('bias', N), add: beside('add', M, N), slope: beside('slope', M, N), gelu: has.gelu },
  };
}

test('any terms, packed or not, with all that may stand beside them', { timeout: 120_000 }, async () => {
  await property(
    fc.array(oneProduct, { minLength: 1, maxLength: 3 }),
    (drawn) => hold(() => products(drawn.map(made))),
    25,
  );
});

/** Rows 0 … 6 of 37 columns by themselves and all together, read as the terms say. */
test.each(['float16', 'int8', 'nf4', 'nf4_double', null] as const)(
  'a row is the same alone, in any company, and on any number of threads; %s',
  async (packing) => {
    for (const [K, transposeB] of [
      [301, true],
      [301, false],
      [8, true],
    ] as const) {
      const [M, N] = [150, 37];
      const terms = (row: number | null): Term[] =>
        [0, 1].map((t) => {
          const a = random([M, K], t, 'a') as tf.Tensor2D;
          const shape: [number, number] = transposeB ? [N, K] : [K, N];
          const values = normals(K * N, t, 'b');
          const b = packing && t === 0 ? packMatrix(values, shape, packing) : tf.tensor2d(values, shape);
          return { a: row === null ? a : tf.slice(a, [row, 0], [1, K]), b, transposeB };
        });
      const compute = (row: number | null) =>
        tf.tidy(() =>
          products([{ terms: terms(row), bias: random([N], 'bias'), gelu: true }])[1]!.dataSync(),
        );
      const whole = compute(null);
      for (const row of [0, 3, 5, 127, 148, 149]) {
        expect(Array.from(compute(row))).toEqual(Array.from(whole.subarray(row * N, (row + 1) * N)));
      }
      for (const threads of [2, 3, 1]) {
        await openDevice('wasm', { threads });
        expect(compute(null)).toEqual(whole);
      }
    }
  },
);
