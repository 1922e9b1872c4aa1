// The smaller WGSL kernels against their references, as in kernels-webgpu: elementwise ones, those that write in place,
// the sampler and its distribution, and the memory of repeated steps.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { download } from '../src/engine/download';
import { memoryInUse } from '../src/engine/memory';
import { adamw } from '../src/engine/ops/adamw';
import { cacheWrite } from '../src/engine/ops/cached-attention';
import { dropout } from '../src/engine/ops/dropout';
import { flatten } from '../src/engine/ops/flatten';
import { gatherRows, scatterRows } from '../src/engine/ops/gather-rows';
import { gelu } from '../src/engine/ops/gelu';
import { layerNorm } from '../src/engine/ops/layer-norm';
import { matmul } from '../src/engine/ops/matmul';
import { type SampleOptions, sampleReference } from '../src/engine/ops/sample';
import { sumOfSquares } from '../src/engine/ops/sum-of-squares';
import { tokenLogprobs } from '../src/engine/ops/token-logprobs';
import { hash32, normals, uniforms } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import {
  extent,
  hold,
  integers,
  property,
  random,
  sampled,
  useDevice,
  variable,
  withGradients,
} from './kernels';

useDevice('webgpu');

const steady = { learningRate: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8 };

test.each([[[1]], [[63]], [[64, 1]], [[65, 3, 7]], [[5000, 1, 300, 2]]])(
  'AdamW: three updates in place of %j numbers, the second clipped',
  async (sizes) => {
    const total = sizes.reduce((a, b) => a + b, 0);
    const update = async () => {
      const params = sizes.map((size, i) => variable(random([size], 'p', i)));
      const [m, v] = [variable(tf.zeros([total])), variable(tf.zeros([total]))];
      for (let step = 1; step <= 3; step++) {
        const grad = random([total], 'g', step);
        const squares = sumOfSquares([grad]);
        const limit = step === 2 ? 0.1 : 0;
        adamw(params, { grad, m, v, squares }, { ...steady, weightDecay: 0.1, limit, step });
        if (step === 2) await params[0]!.data(); // what is cached on the host must not be read again
        tf.dispose([grad, squares]);
      }
      const variables = [...params, m, v];
      const values = await Promise.all(variables.map((x) => x.data()));
      tf.dispose(variables);
      return values;
    };
    await tf.setBackend('cpu');
    const expected = await update();
    await tf.setBackend('webgpu');
    const got = await update();
    expect(await update()).toEqual(got);
    expected.forEach((reference, i) => {
      let error = 0;
      reference.forEach((x, k) => (error = Math.max(error, Math.abs(x - got[i]![k]!))));
      expect(error, `tensor ${i}`).toBeLessThan(3e-6);
    });
  },
);

test.each([NaN, Infinity])('AdamW: a gradient with %s in it changes nothing', async (odd) => {
  const params = [variable(random([5], 'p')), variable(random([3], 'q'))];
  const [m, v] = [variable(tf.zeros([8])), variable(tf.ones([8]))];
  const before = await Promise.all([...params, m, v].map((x) => x.data()));
  const grad = tf.tensor1d([1, 2, odd, 4, 5, 6, 7, 8]);
  const squares = sumOfSquares([grad]);
  adamw(params, { grad, m, v, squares }, { ...steady, weightDecay: 0.1, limit: 1, step: 1 });
  const after = await Promise.all([...params, m, v].map((x) => x.data()));
  expect(after).toEqual(before);
  tf.dispose([...params, m, v, grad, squares]);
});

test('AdamW: a variable that shares its buffer with another tensor changes alone', async () => {
  const original = random([10], 'p');
  const param = tf.variable(original);
  const [grad, m, v] = [tf.ones([10]), tf.variable(tf.zeros([10])), tf.variable(tf.zeros([10]))];
  const squares = sumOfSquares([grad]);
  const before = Array.from(await original.data());
  const options = { learningRate: 0.1, beta1: 0.9, beta2: 0.9, eps: 1e-8, weightDecay: 0, limit: 0, step: 1 };
  adamw([param], { grad, m, v, squares }, options);
  expect(Array.from(await original.data())).toEqual(before);
  const after = Array.from(await param.data());
  after.forEach((x, i) => expect(x).toBeCloseTo(before[i]! - 0.1, 5));
  tf.dispose([original, param, grad, m, v, squares]);
});

test('ScatterRows and gatherRows: repeated, missing and all-equal ids', async () => {
  const shapes = fc.record({ N: extent, C: extent, rows: fc.constantFrom(2, 7, 50, 300) });
  await property(
    shapes,
    ({ N, C, rows }) =>
      hold(() => {
        const ids = tf.tensor1d(integers(N, rows, 'ids'), 'int32');
        const table = random([rows, C], 'table') as tf.Tensor2D;
        const scattered = scatterRows(random([N, C], 'x') as tf.Tensor2D, ids, rows);
        return [scattered, ...withGradients((x) => gatherRows(x, ids), [table])];
      }),
    20,
  );
});

test('CacheWrite: only the slots written change', async () => {
  const shapes = fc.record({
    B: fc.integer({ min: 1, max: 5 }),
    C: extent,
    start: fc.integer({ min: 0, max: 9 }),
    t: fc.integer({ min: 1, max: 6 }),
    rest: fc.integer({ min: 0, max: 4 }),
  });
  await property(
    shapes,
    async ({ B, C, start, t, rest }) => {
      const write = async () => {
        const cache = variable(random([B, start + t + rest, C], 'cache'));
        const x = random([B * t, C], 'x') as tf.Tensor2D;
        await cache.data();
        cacheWrite(cache, x, start);
        const values = await cache.data();
        tf.dispose([cache, x]);
        return values;
      };
      await tf.setBackend('cpu');
      const expected = await write();
      await tf.setBackend('webgpu');
      expect(await write()).toEqual(expected);
    },
    20,
  );
});

test('Gelu with gradient, large arguments too', async () => {
  await hold(() => withGradients((x) => gelu(x as tf.Tensor2D), [tf.mul(random([33, 7], 'x'), 3)]));
  await hold(() => withGradients((x) => gelu(x), [tf.tensor2d([[-1e4, -60, -0, 0, 60, 1e4]])]));
});

test('Dropout drops what the reference drops, with its gradient', async () => {
  for (const size of [1, 63, 4097]) {
    await hold(() => withGradients((x) => dropout(x, 0.3, hash32(size)), [random([size], 'x')]), 1e-7);
  }
});

test('SumOfSquares: one number, ragged and many', async () => {
  for (const sizes of [[1], [63, 65], [1025, 1, 300_001]]) {
    await hold(() => [sumOfSquares(sizes.map((size) => random([size], size)))]);
  }
});

/** What the sampler draws on webgpu, and what the reference draws from the same numbers. */
async function draw(logits: Float32Array, V: number, u: Float32Array, options: SampleOptions) {
  const tensor = tf.tensor2d(logits, [u.length, V]);
  const got = await sampled(tensor, u, options);
  tensor.dispose();
  return { got, expected: sampleReference(logits, V, u, options) };
}

test('Sample draws what the reference draws', async () => {
  const options = fc.record({
    temperature: fc.constantFrom(0, 0.5, 1, 1.7),
    topK: fc.constantFrom(0, 1, 3, 40),
    topP: fc.constantFrom(1, 0.95, 0.5, 0.1, 0),
    bannedId: fc.constantFrom(-1, 0, 5),
  });
  const shapes = fc.record({
    B: fc.integer({ min: 1, max: 9 }),
    V: fc.constantFrom(2, 17, 256, 257, 1000, 4096),
  });
  await property(
    fc.tuple(shapes, options),
    async ([{ B, V }, settings]) => {
      const logits = normals(B * V, 'logits', B, V).map((x) => x * 3);
      const { got, expected } = await draw(logits, V, uniforms(B, 0, 1, 'u', B, V), settings);
      expect(got.ids).toEqual(expected.ids);
      got.logprobs.forEach((x, i) => expect(x).toBeCloseTo(expected.logprobs[i]!, 4));
    },
    40,
  );
});

test('Sample: ties go to the lowest ids, in greedy choice and at the edge of top-k and top-p', async () => {
  const row = Float32Array.from([0, 2, 2, -1, 2, 2, 0, -0]);
  const greedy = { temperature: 0, topK: 0, topP: 1, bannedId: -1 };
  expect((await draw(row, 8, Float32Array.of(0.9), greedy)).got.ids[0]).toBe(1);
  expect((await draw(row, 8, Float32Array.of(0.9), { ...greedy, bannedId: 1 })).got.ids[0]).toBe(2);
  for (const limits of [{ topK: 2 }, { topK: 6 }, { topP: 0.3 }, { topK: 3, topP: 0.6 }]) {
    const u = uniforms(64, 0, 1, 'ties');
    const rows = new Float32Array(64 * 8);
    for (let b = 0; b < 64; b++) rows.set(row, b * 8);
    const { got, expected } = await draw(rows, 8, u, { ...greedy, temperature: 1, topP: 1, ...limits });
    expect(got.ids).toEqual(expected.ids);
  }
});

test('Sample holds the distribution: χ² for four prompts, and for the first row alone', async () => {
  const [B, V, prompts, draws] = [32, 6, 4, 200];
  const prompt = (p: number) => normals(V, 'chi', p);
  const rows = new Float32Array(B * V);
  for (let b = 0; b < B; b++) rows.set(prompt(b % prompts), b * V);
  const counts = Array.from({ length: prompts + 1 }, () => new Array<number>(V).fill(0));
  const logits = tf.tensor2d(rows, [B, V]);
  for (let n = 0; n < draws; n++) {
    const u = uniforms(B, 0, 1, 'chi', n);
    const { ids } = await sampled(logits, u, { temperature: 1, topK: 0, topP: 1, bannedId: -1 });
    ids.forEach((id, b) => (counts[b % prompts]![id]! += 1));
    counts[prompts]![ids[0]!]! += 1; // where tf.multinomial always draws 0
  }
  logits.dispose();
  counts.forEach((seen, p) => {
    const weights = Array.from(prompt(p % prompts), Math.exp);
    const scale = seen.reduce((x, y) => x + y, 0) / weights.reduce((x, y) => x + y, 0);
    const chi2 = weights.reduce((sum, w, v) => sum + (seen[v]! - scale * w) ** 2 / (scale * w), 0);
    expect(chi2, `prompt ${p}`).toBeLessThan(25.7); // 5 degrees of freedom, p = 1e-4
  });
});

test('download: floats and integers, from the host and the device, as they were when asked for', async () => {
  const cache = variable(tf.zeros([1, 2, 3]));
  const [floats, ids] = [tf.tensor1d([1.5, -2, 3]), tf.tensor1d([7, -1], 'int32')];
  const doubled = tf.mul(floats, 2);
  const maps = vi.spyOn(GPUBuffer.prototype, 'mapAsync');
  const read = Promise.all([download(floats), download<Int32Array>(ids), download(doubled), download(cache)]);
  tf.dispose([floats, ids, doubled]);
  expect(await read).toEqual([
    Float32Array.of(1.5, -2, 3),
    Int32Array.of(7, -1),
    Float32Array.of(3, -4, 6),
    new Float32Array(6),
  ]);
  expect(maps).toHaveBeenCalledOnce();
  maps.mockRestore();
  const row = tf.ones<tf.Rank.R2>([1, 3]);
  cacheWrite(cache, row, 1);
  expect(await download(cache)).toEqual(Float32Array.of(0, 0, 0, 1, 1, 1));
  tf.dispose([cache, row]);
});

test('repeated steps change neither the number of tensors nor the allocated bytes', async () => {
  const [N, C, V] = [24, 16, 100];
  const ids = tf.tensor1d(integers(N, V, 'ids'), 'int32');
  const head = random([V, C], 'head') as tf.Tensor2D;
  const x = random([N, C], 'x') as tf.Tensor2D;
  const [weight, m, v] = [
    variable(random([C, C], 'w')),
    variable(tf.zeros([C * C])),
    variable(tf.zeros([C * C])),
  ];
  const options = { ...steady, learningRate: 1e-3, weightDecay: 0, limit: 0 };
  const step = async (at: number) => {
    const { value, grads } = tf.variableGrads(() => {
      const h = gelu(
        layerNorm(
          matmul(x, weight as unknown as tf.Tensor2D, { transposeB: true }),
          tf.ones([C]),
          tf.zeros([C]),
          1e-5,
        ),
      );
      return tf.neg<tf.Scalar>(tf.mean(tokenLogprobs(h, head, ids, 1).logprobs));
    }, [weight]);
    const grad = flatten([grads[weight.name]!]);
    const squares = sumOfSquares([grad]);
    adamw([weight], { grad, m, v, squares }, { ...options, step: at });
    const loss = (await value.data())[0]!;
    tf.dispose([value, grad, squares, ...Object.values(grads)]);
    return loss;
  };
  const first = await step(1);
  for (let at = 2; at < 5; at++) await step(at);
  const before = memoryInUse();
  for (let at = 5; at < 30; at++) await step(at);
  const after = memoryInUse();
  expect(await step(30)).toBeLessThan(first);
  expect(after.allocatedBytes).toBe(before.allocatedBytes);
  expect(after.tensors).toBe(before.tensors);
  tf.dispose([ids, head, x, weight, m, v]);
});
