// The WGSL kernels of matrix products, attention and token log-probabilities against their references of plain tfjs
// ops, forward and gradient, on random shapes. The same op function is called on both backends: on webgpu it takes
// the kernel, on tfjs's cpu backend there is none and it takes the reference.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attention, forestTensor } from '../src/engine/ops/attention';
import { cachedAttention } from '../src/engine/ops/cached-attention';
import { layerNorm } from '../src/engine/ops/layer-norm';
import { matmul } from '../src/engine/ops/matmul';
import { tokenLogprobs } from '../src/engine/ops/token-logprobs';
import { uniform } from '../src/engine/random';
import { hasKernel, runKernel, tf } from '../src/engine/tf';
import { allTokens, distinctTokens } from '../src/model/distinct';
import { errorOf, extent, hold, integers, property, random, useDevice, withGradients } from './kernels';
import { textsOf } from './texts';

useDevice('webgpu');

test('every op has its kernel, so that what follows compares two things', () => {
  const names =
    'MatMul TokenLogprobs TokenLogprobsGrad AdamW Sample ScatterRows CacheWrite LayerNorm LayerNormGrad Gelu';
  const more = 'GeluGrad Attention AttentionGrad CachedAttention SumOfSquares';
  for (const name of `${names} ${more}`.split(' ')) expect(hasKernel(name), name).toBe(true);
});

test('MatMul: every transposition, scale and add, with gradients', async () => {
  const shapes = fc.record({
    M: extent,
    N: extent,
    K: extent,
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
    addRank: fc.constantFrom(0, 1, 2),
  });
  await property(
    shapes,
    ({ M, N, K, transposeA, transposeB, addRank }) =>
      hold(() => {
        const a = random(transposeA ? [K, M] : [M, K], 'a') as tf.Tensor2D;
        const b = random(transposeB ? [N, K] : [K, N], 'b') as tf.Tensor2D;
        const options = { transposeA, transposeB, scale: 0.7 };
        if (addRank === 0) return withGradients((x, y) => matmul(x, y, options), [a, b]);
        const add = random(addRank === 1 ? [N] : [M, N], 'add') as tf.Tensor2D;
        return withGradients((x, y, z) => matmul(x, y, { ...options, add: z }), [a, b, add]);
      }),
    25,
  );
});

test.each([
  [256, 260, 36, false, true],
  [300, 1030, 37, false, false],
  [512, 64, 1030, true, false], // K in slices
  [8, 256, 2047, true, false],
  [16, 8, 2048, false, true],
])('MatMul: large tiles and slices of K, %i × %i × %i', async (M, N, K, transposeA, transposeB) => {
  await hold(() => {
    const a = random(transposeA ? [K, M] : [M, K], 'a') as tf.Tensor2D;
    const b = random(transposeB ? [N, K] : [K, N], 'b') as tf.Tensor2D;
    return [matmul(a, b, { transposeA, transposeB, scale: 2, add: random([N], 'add') })];
  });
});

test('TokenLogprobs: log-probabilities, entropies and gradients over ragged vocabularies', async () => {
  const shapes = fc.record({
    N: extent,
    C: fc.oneof(fc.constantFrom(1, 4, 32), fc.integer({ min: 1, max: 40 })),
    V: fc.oneof(fc.constantFrom(2, 64, 256), fc.integer({ min: 2, max: 700 })),
    temperature: fc.constantFrom(1, 0.7),
  });
  await property(
    shapes,
    ({ N, C, V, temperature }) =>
      hold(() => {
        const ids = tf.tensor1d(integers(N, V, 'ids'), 'int32');
        const [hidden, head] = [random([N, C], 'hidden'), random([V, C], 'head')] as tf.Tensor2D[];
        const { logprobs, entropy, correct } = tokenLogprobs(hidden!, head!, ids, temperature);
        const loss = (alone: boolean) => (h: tf.Tensor, w: tf.Tensor) => {
          const both = tokenLogprobs(h as tf.Tensor2D, w as tf.Tensor2D, ids, temperature, !alone);
          const gain = tf.sum<tf.Scalar>(tf.mul(both.logprobs, random([N], 'x')));
          return alone ? gain : tf.add<tf.Scalar>(gain, tf.sum(tf.mul(both.entropy, random([N], 'y'))));
        };
        // Of log-probabilities alone the forward pass knows most of the gradient.
        const grads = [true, false].flatMap((alone) => tf.grads(loss(alone))([hidden!, head!]));
        return [logprobs, entropy, correct, ...grads];
      }, 5e-5),
    12,
  );
});

test('TokenLogprobs: chunks of the vocabulary give the gradient of the whole', async () => {
  const [N, C, V] = [37, 12, 211]; // chunks of 64, the last of 19
  const ids = tf.tensor1d(integers(N, V, 'ids'), 'int32');
  const [hidden, head] = [random([N, C], 'hidden') as tf.Tensor2D, random([V, C], 'head') as tf.Tensor2D];
  const [dLogprobs, dEntropy] = [random([N], 'x'), random([N], 'y')];
  const slope = (chunk: number) => {
    const [, entropy, lse] = runKernel<tf.Tensor[]>(
      'TokenLogprobs',
      { hidden, head, ids },
      { temperature: 1 },
    );
    const inputs = { hidden, head, ids, entropy: entropy!, lse: lse!, dLogprobs, dEntropy };
    return runKernel<tf.Tensor>('TokenLogprobsGrad', inputs, { temperature: 1, chunk });
  };
  const [parts, whole] = tf.tidy(() => [slope(64), slope(256)] as const);
  expect(errorOf(await parts.data(), await whole.data())).toBeLessThan(1e-5);
  tf.dispose([ids, head, hidden, dLogprobs, dEntropy, parts, whole]);
});

test('TokenLogprobs: a gradient of the entropy that was not asked for is refused', () => {
  const ids = tf.tensor1d([0, 1], 'int32');
  const head = random([3, 4], 'head') as tf.Tensor2D;
  const hidden = random([2, 4], 'hidden');
  const of = (asked: boolean) => tf.grad((x) => tokenLogprobs(x as tf.Tensor2D, head, ids, 1, asked).entropy);
  expect(() => tf.tidy(() => of(false)(hidden))).toThrow(/entropyGradient/);
  tf.tidy(() => of(true)(hidden));
  tf.dispose([ids, head, hidden]);
});

const attentionShapes = fc.record({
  B: fc.integer({ min: 1, max: 4 }),
  H: fc.integer({ min: 1, max: 3 }),
  T: fc.integer({ min: 1, max: 40 }),
  D: fc.constantFrom(1, 3, 4, 16, 32),
  window: fc.constantFrom(0, 1, 5, 64),
  scale: fc.constantFrom(1, 0.25),
});

describe.each(['webgpu', 'webgpu as on a GPU'] as const)('%s', (device) => {
  useDevice(device);

  test('TokenLogprobs: large tiles, several stretches of the vocabulary', async () => {
    await hold(() => {
      const [N, C, V] = [36, 4, 2051];
      const ids = tf.tensor1d(integers(N, V, 'ids'), 'int32');
      const [hidden, head] = [random([N, C], 'hidden') as tf.Tensor2D, random([V, C], 'head') as tf.Tensor2D];
      const { logprobs, entropy } = tokenLogprobs(hidden, head, ids, 1);
      return [logprobs, entropy, ...withGradients((x) => tokenLogprobs(x, head, ids, 1).logprobs, [hidden])];
    });
  });

  test('TokenLogprobs: with a gradient to come, chunk by chunk, the same bits as without', async () => {
    const [N, C, V] = [37, 12, 5003];
    const ids = tf.tensor1d(integers(N, V, 'ids'), 'int32');
    // Larger with every token of the vocabulary, so that every chunk has a larger maximum than those before it.
    const rising = tf.tidy(() => tf.mul(tf.range(0, V), 20 / V).reshape([V, 1]));
    const head = tf.tidy(() => tf.add<tf.Tensor2D>(random([V, C], 'head'), rising));
    const hidden = tf.tidy(() => tf.abs<tf.Tensor2D>(random([N, C], 'hidden') as tf.Tensor2D));
    const inputs = { hidden, head, ids };
    const run = (attributes: object) =>
      runKernel<tf.Tensor[]>('TokenLogprobs', inputs, { temperature: 0.9, ...attributes });
    const without = run({});
    const whole = run({ slopes: true });
    for (const chunk of [1024, 2048]) {
      const parts = run({ slopes: true, chunk });
      for (const i of [0, 1, 2, 3]) expect(await parts[i]!.data()).toEqual(await without[i]!.data());
      expect(errorOf(await parts[4]!.data(), await whole[4]!.data())).toBeLessThan(1e-5);
      tf.dispose(parts);
    }
    for (const i of [0, 1, 2, 3]) expect(await whole[i]!.data()).toEqual(await without[i]!.data());
    tf.dispose([...without, ...whole, rising, ...Object.values(inputs)]);
  });

  test('LayerNorm with gradients', async () => {
    await property(
      fc.record({ N: extent, C: fc.oneof(extent, fc.constantFrom(2, 256, 300)) }),
      ({ N, C }) =>
        hold(() => {
          const inputs = [random([N, C], 'x'), random([C], 'gamma'), random([C], 'beta')];
          return withGradients((x, gamma, beta) => layerNorm(x as tf.Tensor2D, gamma, beta, 0.01), inputs);
        }, 1e-4),
      10,
    );
  });

  test('Attention with gradients: windows, padding on either side, packed rows, shared beginnings', async () => {
    await property(
      fc.tuple(attentionShapes, fc.boolean()),
      ([{ B, H, T, D, window, scale }, shared]) =>
        hold(() => {
          const forest = (shared ? distinctTokens : allTokens)(textsOf(B, T, B, T));
          const N = forest.ids.length;
          const [k, v] = [random([N, H * D], 'k'), random([N, H * D], 'v')];
          const q = tf.mul(random([N, H * D], 'q'), 0.5); // so that no probability is 1 but for rounding
          const options = { heads: H, window, scale };
          // What is no token comes to 0, and to anything by the reference.
          const real = tf.tensor2d(forest.first, [N, 1]).greaterEqual(0).cast('float32'); // [N, 1]
          const nodes = forestTensor(forest);
          const of = (...qkv: tf.Tensor2D[]) =>
            tf.mul(
              real,
              attention(...(qkv as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D]), forest, nodes, options),
            );
          return withGradients(of, [q, k, v] as tf.Tensor2D[]);
        }, 1e-4),
      25,
    );
  });

  test('CachedAttention: from any slot', async () => {
    await property(
      fc.tuple(attentionShapes, fc.integer({ min: 0, max: 5 })),
      ([{ B, H, T, D, window, scale }, rest]) =>
        hold(() => {
          const S = T + rest;
          const segments = tf.tensor2d(
            Int32Array.from({ length: B * S }, (_, at) => Math.floor(3 * uniform('m', at))),
            [B, S],
            'int32',
          );
          const q = random([B, H * D], 'q') as tf.Tensor2D;
          const [k, v] = [random([B, S, H * D], 'k'), random([B, S, H * D], 'v')];
          return [cachedAttention(q, k, v, segments, { heads: H, window, scale, slot: T - 1 })];
        }, 5e-5),
      15,
    );
  });

  test.each([
    [6, 2, 20, 147, 0],
    [2, 1, 7, 128, 100],
    [3, 1, 64, 64, 0],
  ])('CachedAttention: %i queries of %i heads of %i, after %i keys', async (B, H, D, slot, window) => {
    await hold(() => {
      const S = slot + 4;
      const [k, v] = [random([B, S, H * D], 'k'), random([B, S, H * D], 'v')];
      const segments = tf.tensor2d(textsOf(B, S, 'cache').mask, [B, S], 'int32');
      const options = { heads: H, window, scale: 0.5, slot };
      return [cachedAttention(random([B, H * D], 'q') as tf.Tensor2D, k, v, segments, options)];
    }, 5e-5);
  });
});
