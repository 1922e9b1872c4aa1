// Every wasm kernel against its reference of plain tfjs ops on random shapes, forward and gradient, with outputs that
// start as NaN, so that an element not written is seen.
import { expect, test } from 'vitest';
import { openDevice } from '../src/engine/device';
import { memoryInUse } from '../src/engine/memory';
import { adamw, adamwReference } from '../src/engine/ops/adamw';
import { attention, attentionReference, forestTensor } from '../src/engine/ops/attention';
import { cacheWrite, cachedAttention, cachedAttentionReference } from '../src/engine/ops/cached-attention';
import { dropout, dropoutReference } from '../src/engine/ops/dropout';
import { gatherRows, scatterRows, scatterRowsReference } from '../src/engine/ops/gather-rows';
import { gelu, geluReference } from '../src/engine/ops/gelu';
import { layerNorm, layerNormReference } from '../src/engine/ops/layer-norm';
import { matmul, matmulReference } from '../src/engine/ops/matmul';
import { sampleReference } from '../src/engine/ops/sample';
import { sumOfSquares } from '../src/engine/ops/sum-of-squares';
import { type Predictor, tokenKl } from '../src/engine/ops/token-kl';
import { tokenLogprobs } from '../src/engine/ops/token-logprobs';
import { hash32, normals, uniforms } from '../src/engine/random';
import { hasKernel, tf } from '../src/engine/tf';
import { allTokens, distinctTokens } from '../src/model/distinct';
import { sampled, useDevice } from './kernels';
import { textsOf } from './texts';

useDevice('wasm');

/** A number in low … high, the same for the same words. */
const pick = (low: number, high: number, ...words: (number | string)[]): number =>
  low + (hash32(...words) % (high - low + 1));

const random = (shape: number[], ...words: (number | string)[]): tf.Tensor =>
  tf.tensor(normals(tf.util.sizeFromShape(shape), ...words), shape);

/** Called with as many inputs as it names; some are optional. */
type Op = (...inputs: tf.Tensor[]) => tf.Tensor;

/** max|Δ| / max|reference|, the latter taken as 0.1 at least; NaN anywhere gives NaN. */
async function difference(a: tf.Tensor, b: tf.Tensor): Promise<number> {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = [await a.data(), await b.data()];
  let delta = 0;
  let largest = 0.1;
  for (let i = 0; i < x.length; i++) {
    delta = Math.max(delta, Math.abs(x[i]! - y[i]!));
    largest = Math.max(largest, Math.abs(y[i]!));
  }
  return delta / largest;
}

/** Value and gradients in every input of Σ op(inputs)·w for a random w, fused and reference. */
async function agree(fused: Op, reference: Op, inputs: tf.Tensor[], tolerance = 2e-5): Promise<void> {
  const value = fused(...inputs);
  expect(await difference(value, reference(...inputs))).toBeLessThan(tolerance);
  const weight = random(value.shape, 'dy', value.size);
  const gradients = (op: Op) => tf.grads((...xs) => tf.sum(tf.mul(op(...xs), weight)))(inputs);
  const expected = gradients(reference);
  const got = gradients(fused);
  for (let i = 0; i < inputs.length; i++)
    expect(await difference(got[i]!, expected[i]!)).toBeLessThan(tolerance);
}

test('matrix product: every transposition, scale, added matrix and row', async () => {
  expect(hasKernel('MatMul')).toBe(true);
  for (let trial = 0; trial < 48; trial++) {
    const [m, n, k] = [0, 1, 2].map((i) =>
      pick(1, trial % 4 === 0 ? 8 : trial % 4 === 1 ? 330 : 70, trial, i),
    ) as [number, number, number];
    const transposeA = trial % 2 === 1;
    const transposeB = trial % 4 >= 2;
    const inputs = [
      random(transposeA ? [k, m] : [m, k], trial, 'a'),
      random(transposeB ? [n, k] : [k, n], trial, 'b'),
    ];
    if (trial % 3 > 0) inputs.push(random(trial % 3 === 1 ? [n] : [m, n], trial, 'c'));
    const options = { transposeA, transposeB, scale: trial % 5 === 0 ? 0.37 : 1 };
    const call =
      (f: typeof matmul): Op =>
      (a, b, ...[add]) =>
        f(a as tf.Tensor2D, b as tf.Tensor2D, add ? { ...options, add } : options);
    await agree(call(matmul), call(matmulReference), inputs);
    tf.dispose(inputs);
  }
});

test('matrix product: a row does not depend on the rows beside it', async () => {
  for (const [n, k] of [
    [37, 301],
    [64, 256],
    [8, 5],
  ] as const) {
    const a = random([13, k], n) as tf.Tensor2D;
    const b = random([n, k], k) as tf.Tensor2D;
    const together = await matmul(a, b, { transposeB: true, scale: 0.3 }).data();
    const alone = await matmul(tf.slice(a, [7, 0], [1, k]), b, { transposeB: true, scale: 0.3 }).data();
    expect(Array.from(alone)).toEqual(Array.from(together.subarray(7 * n, 8 * n)));
    tf.dispose([a, b]);
  }
});

test('LayerNorm', async () => {
  for (let trial = 0; trial < 12; trial++) {
    const [rows, columns] = [
      pick(1, 70, trial, 'rows'),
      pick(trial === 0 ? 2 : 3, trial < 6 ? 12 : 300, trial, 'columns'),
    ];
    const inputs = [
      random([rows, columns], trial, 'x'),
      random([columns], trial, 'g'),
      random([columns], trial, 'b'),
    ];
    const call =
      (f: typeof layerNorm): Op =>
      (x, gamma, beta) =>
        f(x as tf.Tensor2D, gamma, beta, 1e-5);
    await agree(call(layerNorm), call(layerNormReference), inputs);
    tf.dispose(inputs);
  }
});

test('GELU, up to arguments that saturate', async () => {
  for (const size of [1, 3, 4, 1023, 40_000]) {
    const x = tf.mul(random([1, size], size), 6);
    await agree(gelu as Op, geluReference as Op, [x]);
    tf.dispose(x);
  }
  const extreme = tf.tensor2d([[-1e4, -90, -20, 0, 20, 90, 1e4]]);
  expect(await difference(gelu(extreme), tf.tensor2d([[0, 0, 0, 0, 20, 90, 1e4]]))).toBeLessThan(1e-6);
});

test('attention: windows longer and shorter than the texts, padding on either side, packed rows, shared beginnings, any head size', async () => {
  for (let trial = 0; trial < 36; trial++) {
    const [batch, heads] = [pick(1, 4, trial, 'B'), pick(1, 3, trial, 'H')];
    const T = trial === 0 ? 1 : pick(2, trial % 3 === 0 ? 100 : 40, trial, 'T');
    const size = [32, 4, 1, 5, 16, 8, 17, 64][trial % 8]!;
    const window = trial % 2 === 0 ? 0 : pick(1, T + 5, trial, 'window');
    const options = { heads, window, scale: trial % 3 === 0 ? 1 : size ** -0.5 };
    const forest = (trial % 3 === 1 ? allTokens : distinctTokens)(textsOf(batch, T, trial));
    const nodes = forestTensor(forest);
    const [q, k, v] = ['q', 'k', 'v'].map((name) => random([forest.ids.length, heads * size], trial, name));
    // So that no probability is 1 but for rounding: the gradients in q and k would be that rounding.
    const inputs = [tf.mul(q!, size ** -0.5), k!, v!];
    // What is no token comes to 0 here, and to anything by the reference.
    const real = tf.tensor2d(forest.first, [forest.ids.length, 1]).greaterEqual(0).cast('float32'); // [N, 1]
    const fused: Op = (q, k, v) =>
      attention(q as tf.Tensor2D, k as tf.Tensor2D, v as tf.Tensor2D, forest, nodes, options);
    const reference: Op = (q, k, v) =>
      tf.mul(real, attentionReference(q as tf.Tensor2D, k as tf.Tensor2D, v as tf.Tensor2D, forest, options));
    await agree(fused, reference, inputs);
    tf.dispose([...inputs, q!, nodes, real]);
  }
});

test('attention over a cache, and writing it', async () => {
  for (let trial = 0; trial < 24; trial++) {
    const [batch, heads, S] = [pick(1, 3, trial, 'B'), pick(1, 3, trial, 'H'), pick(1, 60, trial, 'S')];
    const size = [32, 4, 1, 5, 16, 20][trial % 6]!;
    const t = trial % 2 === 0 ? 1 : pick(1, S, trial, 't');
    const start = pick(0, S - t, trial, 'start');
    const window = trial % 3 === 0 ? pick(1, S, trial, 'window') : 0;
    const options = { heads, window, scale: 0.7, slot: start };
    const caches = ['k', 'v'].map((name) => tf.variable(random([batch, S, heads * size], trial, name)));
    const [k, v] = caches as [tf.Variable, tf.Variable];
    const before = await k.array();
    const x = random([batch * t, heads * size], trial, 'x') as tf.Tensor2D;
    cacheWrite(k, x, start);
    const rows = (await x.reshape([batch, t, heads * size]).array()) as number[][][];
    const expected = (before as number[][][]).map((row, b) =>
      row.map((slot, s) => (s >= start && s < start + t ? rows[b]![s - start] : slot)),
    );
    expect(await k.array()).toEqual(expected);

    const segments = tf.tensor2d(
      new Int32Array(batch * S).map((_, i) => hash32(trial, i) % 3),
      [batch, S],
      'int32',
    );
    const q = random([batch, heads * size], trial, 'q') as tf.Tensor2D;
    const got = cachedAttention(q, k, v, segments, options);
    const wanted = cachedAttentionReference(q, k, v, segments, options);
    expect(await difference(got, wanted)).toBeLessThan(2e-5);
    tf.dispose([...caches, x, segments, q, got, wanted]);
  }
});

test('the sampler chooses as its reference does', async () => {
  for (let trial = 0; trial < 60; trial++) {
    const [batch, V] = [pick(1, 9, trial, 'B'), pick(2, trial % 2 === 0 ? 12 : 900, trial, 'V')];
    const spread = trial % 5 === 0 ? 0 : 3; // 0: all tie
    const logits = tf.mul<tf.Tensor2D>(random([batch, V], trial), spread);
    const draws = uniforms(batch, 0, 1, trial, 'u');
    const options = {
      temperature: trial % 4 === 0 ? 0 : 0.5 + (trial % 3) * 0.5,
      topK: trial % 3 === 0 ? pick(1, V, trial, 'k') : 0,
      topP: trial % 7 < 4 ? 1 : 0.2 * (trial % 5),
      bannedId: trial % 2 === 0 ? pick(0, V - 1, trial, 'banned') : -1,
    };
    const got = await sampled(logits, draws, options);
    const wanted = sampleReference((await logits.data()) as Float32Array, V, draws, options);
    expect(Array.from(got.ids)).toEqual(Array.from(wanted.ids));
    got.logprobs.forEach((value, i) => expect(value).toBeCloseTo(wanted.logprobs[i]!, 5));
    logits.dispose();
  }
});

test('gather and its adjoint', async () => {
  for (let trial = 0; trial < 8; trial++) {
    const [rows, N, C] = [
      pick(2, trial === 0 ? 1300 : 30, trial, 'R'),
      pick(1, 80, trial, 'N'),
      pick(1, 20, trial, 'C'),
    ];
    const ids = tf.tensor1d(
      Int32Array.from({ length: N }, (_, i) => hash32(trial, i) % rows),
      'int32',
    );
    const x = random([N, C], trial) as tf.Tensor2D;
    expect(await difference(scatterRows(x, ids, rows), scatterRowsReference(x, ids, rows))).toBeLessThan(
      1e-6,
    );
    const table = random([rows, C], trial, 'table') as tf.Tensor2D;
    expect(await gatherRows(table, ids).array()).toEqual(await tf.gather(table, ids).array());
    const gradient = tf.grad((t) => tf.sum(tf.mul(gatherRows(t as tf.Tensor2D, ids), x)))(table);
    expect(await difference(gradient, scatterRowsReference(x, ids, rows))).toBeLessThan(1e-6);
    tf.dispose([ids, x, table, gradient]);
  }
});

test('AdamW and the sum of squares', async () => {
  for (const size of [1, 2, 7, 64, 40_001]) {
    const make = () => {
      const [m, v] = ['m', 'v'].map((name) => tf.variable(tf.abs(random([size + 3], size, name))));
      return { params: [size, 3].map((n) => tf.variable(random([n], n, 'param'))), m: m!, v: v! };
    };
    const [got, wanted] = [make(), make()];
    const all = ({ params, m, v }: typeof got) => [...params, m, v];
    for (let step = 1; step <= 4; step++) {
      const grad = step < 4 ? random([size + 3], size, step) : tf.fill([size + 3], NaN); // which changes nothing
      const squares = sumOfSquares([grad]);
      const limit = step === 2 ? 0.1 : 0;
      const options = {
        learningRate: 0.01,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-8,
        weightDecay: 0.1,
        step,
        limit,
      };
      adamw(got.params, { ...got, grad, squares }, options);
      adamwReference(wanted.params, { ...wanted, grad, squares }, options);
      tf.dispose([grad, squares]);
    }
    for (const [i, x] of all(got).entries()) expect(await difference(x, all(wanted)[i]!)).toBeLessThan(1e-6);
    const sum = tf.addN(all(got).map((x) => tf.sum(tf.square(x))));
    expect(await difference(sumOfSquares(all(got)), sum)).toBeLessThan(1e-5);
    tf.dispose([...all(got), ...all(wanted)]);
  }
});

test.each([1, 3, 4, 5, 16_384, 40_001])('Dropout of %i numbers, with its gradient', async (size) => {
  const key = hash32(size);
  const x = random([size], 'dropout');
  await agree(
    (input) => dropout(input, 0.3, key),
    (input) => dropoutReference(input, 0.3, key),
    [x],
    1e-7,
  );
  const kept = (await dropout(tf.ones([size]), 0.3, key).data()).filter((value) => value !== 0).length;
  expect(Math.abs(kept - 0.7 * size)).toBeLessThanOrEqual(4 * Math.sqrt(0.21 * size));
});

/** One of everything that is shared among threads: a digest of all values and gradients. */
async function everything(): Promise<string> {
  const [batch, T, heads, C, V] = [4, 50, 4, 64, 700];
  const options = { heads, window: 20, scale: 0.3 };
  const forest = allTokens(textsOf(batch, T, 'texts'));
  const nodes = forestTensor(forest);
  const ids = tf.tensor1d(
    Int32Array.from({ length: batch * T }, (_, i) => hash32(i) % V),
    'int32',
  );
  const inputs = [
    ...['x', 'q', 'k', 'v'].map((name) => random([batch * T, C], name)),
    ...[random([C], 'gamma'), random([4 * C, C], 'up'), random([V, C], 'head')],
  ];
  const loss: Op = (x, q, k, v, gamma, up, head) => {
    const mixed = attention(q as tf.Tensor2D, k as tf.Tensor2D, v as tf.Tensor2D, forest, nodes, options);
    const normal = layerNorm(tf.add(x, mixed), gamma, gamma, 1e-5);
    const wide = gelu(matmul(normal, up as tf.Tensor2D, { transposeB: true }));
    const hidden = matmul(wide, up as tf.Tensor2D, { add: x });
    const { logprobs, entropy } = tokenLogprobs(hidden, head as tf.Tensor2D, ids, 1, true);
    const predictors = [hidden, x].map((of) => ({ hidden: of, head }) as Predictor);
    return tf.mean(tf.addN([logprobs, entropy, tokenKl(predictors[0]!, predictors[1]!, 1).kl]));
  };
  const { value, grads } = tf.valueAndGrads((...xs) => loss(...xs) as tf.Scalar)(inputs);
  const drawn = await sampled(inputs[6] as tf.Tensor2D, uniforms(V, 0, 1, 'u'), {
    temperature: 1,
    topK: 20,
    topP: 0.9,
    bannedId: -1,
  });
  const all = [value, ...grads].map((t) => t.dataSync().slice());
  tf.dispose([value, ...grads, ...inputs, nodes, ids]);
  const bits = await new Blob([...all, drawn.ids, drawn.logprobs] as BlobPart[]).arrayBuffer();
  return Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bits))).join(' ');
}

test('the same bits on one, two and three threads', async () => {
  expect(crossOriginIsolated).toBe(true);
  const results = new Set<string>();
  for (const threads of [1, 2, 3, 2]) {
    expect((await openDevice('wasm', { threads })).threads).toBe(threads);
    for (let i = 0; i < 3; i++) results.add(await everything());
  }
  expect(results.size).toBe(1);
});

test('repeated steps leave no tensor and grow no heap', async () => {
  for (let i = 0; i < 5; i++) await everything();
  const before = memoryInUse();
  for (let i = 0; i < 40; i++) await everything();
  expect(memoryInUse()).toEqual(before);
});
