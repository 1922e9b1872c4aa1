// Every kernel over more workgroups than one dimension of a dispatch may hold: all of its results, against the references
// on cpu. Three at the true limit of 65,535, and all of them on a device that says its limit is 64.
import { describe, expect, test } from 'vitest';
import { adamw } from '../src/engine/ops/adamw';
import { attention, forestTensor } from '../src/engine/ops/attention';
import { cachedAttention, cacheWrite } from '../src/engine/ops/cached-attention';
import { dequantize, dequantizeReference, PER_WORD } from '../src/engine/ops/dequantize';
import { dropout } from '../src/engine/ops/dropout';
import { gatherRows } from '../src/engine/ops/gather-rows';
import { gelu } from '../src/engine/ops/gelu';
import { layerNorm } from '../src/engine/ops/layer-norm';
import { matmul } from '../src/engine/ops/matmul';
import { rmsNorm } from '../src/engine/ops/rms-norm';
import { rotary } from '../src/engine/ops/rotary';
import { sampleReference } from '../src/engine/ops/sample';
import { swiglu } from '../src/engine/ops/swiglu';
import { tokenKl } from '../src/engine/ops/token-kl';
import { tokenLogprobs } from '../src/engine/ops/token-logprobs';
import { tf } from '../src/engine/tf';
import { allTokens } from '../src/model/distinct';
import { packScales } from '../src/model/quantize';
import { computeAs } from '../src/engine/webgpu/adapter';
import {
  errorOf,
  hold,
  integers,
  repeated,
  sampled,
  useDevice,
  useLimits,
  variable,
  withGradients,
} from './kernels';

useDevice('webgpu');

const matrix = (rows: number, columns: number, word: string) =>
  repeated([rows, columns], word) as tf.Tensor2D;

const both = (f: (...inputs: tf.Tensor2D[]) => tf.Tensor, ...inputs: tf.Tensor2D[]) =>
  withGradients(f, inputs, (shape) => repeated(shape, 'dy'));

const ones = (batch: number, length: number) => tf.ones<tf.Rank.R2>([batch, length], 'int32');

/** Ops over `n` workgroups and more, n even: of a row each, of 16, or of 64 numbers. */
type Case = (n: number) => tf.Tensor[];

const cheap: Record<string, Case> = {
  'products, one row': (n) => [matmul(matrix(1, 3, 'a'), matrix(3, 32 * n, 'b'))],
  GELU: (n) => [gelu(matrix(n, 64, 'x'))],
  gather: (n) => [gatherRows(matrix(50, 64, 'table'), tf.tensor1d(integers(n, 50, 'ids'), 'int32'))],
};

const dear: Record<string, Case> = {
  'products, one column': (n) => [matmul(matrix(256 * n, 1, 'a'), matrix(1, 1, 'b'))],
  'products and their gradients': (n) => {
    const [a, b] = [matrix(5, 3, 'a'), matrix(3, 32 * n, 'b')];
    return both((x, y) => matmul(x, y), a, b);
  },
  'GELU and its gradient': (n) => both((x) => gelu(x), matrix(n, 64, 'x')),
  'SwiGLU and its gradients': (n) => both((x, up) => swiglu(x, up), matrix(n, 64, 'x'), matrix(n, 64, 'up')),
  'dropout and its gradient': (n) => both((x) => dropout(x, 0.4, 7), matrix(n, 64, 'x')),
  'rotary and its gradient': (n) => {
    const [cos, sin] = [matrix(n, 16, 'cos'), matrix(n, 16, 'sin')];
    return both((x) => rotary(x, cos, sin, 2), matrix(n, 64, 'x'));
  },
  'LayerNorm and its gradients': (n) => {
    const [gamma, beta] = [repeated([4], 'gamma'), repeated([4], 'beta')];
    return both((x) => layerNorm(x, gamma, beta, 0.1), matrix(16 * n, 4, 'x'));
  },
  'RMSNorm and its gradients': (n) =>
    both((x) => rmsNorm(x, repeated([4], 'gamma'), 0.1), matrix(16 * n, 4, 'x')),
  'attention and its gradients': (n) => {
    const options = { heads: 64, window: 0, scale: 1 };
    const [ids, mask] = [new Int32Array(n), new Int32Array(n).fill(1)];
    const forest = allTokens({ ids, mask, batch: n / 2, length: 2 });
    const nodes = forestTensor(forest);
    const of = (...xs: tf.Tensor2D[]) =>
      attention(...(xs as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D]), forest, nodes, options);
    return both(of, matrix(n, 64, 'q'), matrix(n, 64, 'k'), matrix(n, 64, 'v'));
  },
  'attention over a cache': (n) => {
    const [k, v] = [repeated([n, 2, 64], 'k'), repeated([n, 2, 64], 'v')];
    const options = { heads: 64, window: 0, scale: 1, slot: 1 };
    return [cachedAttention(matrix(n, 64, 'q'), k, v, ones(n, 2), options)];
  },
  'gather and scatter': (n) => {
    const ids = tf.tensor1d(integers(n, n, 'ids'), 'int32');
    return both((x) => gatherRows(x, ids), matrix(n, 64, 'table'));
  },
  'token log-probabilities and their gradient': (n) => {
    const ids = tf.tensor1d(integers(64 * n, 2, 'ids'), 'int32');
    const of = (hidden: tf.Tensor2D) => tokenLogprobs(hidden, matrix(2, 1, 'head'), ids, 1).logprobs;
    return both(of, matrix(64 * n, 1, 'hidden'));
  },
  'exact KL and its gradients': (n) => {
    const [pHead, qHead] = [matrix(65, 1, 'P'), matrix(65, 1, 'Q')];
    const of = (p: tf.Tensor2D, q: tf.Tensor2D) =>
      tokenKl({ hidden: p, head: pHead }, { hidden: q, head: qHead }, 1).kl;
    return both(of, matrix(64 * n, 1, 'p'), matrix(64 * n, 1, 'q'));
  },
};

test.each(Object.entries(cheap))('past 65,535: %s', async (_, run) => {
  await hold(() => run(65_600), 1e-4);
});

describe('past 64, on a device that has no more', () => {
  const SOME = 70;

  useLimits({ maxComputeWorkgroupsPerDimension: 64 });

  test.each(Object.entries({ ...cheap, ...dear }))('%s', async (_, run) => {
    await hold(() => run(SOME), 1e-4);
  });

  test.each(['LayerNorm', 'RMSNorm'])('%s and its gradients, a workgroup a row', async (norm) => {
    computeAs({ software: false });
    const run = () => dear[`${norm} and its gradients`]!(6);
    await hold(run, 1e-4).finally(() => computeAs({ software: true }));
  });

  test('attention over a cache, a workgroup a query', async () => {
    computeAs({ software: false });
    const run = () => {
      const [k, v] = [repeated([SOME, 2, 8], 'k'), repeated([SOME, 2, 8], 'v')];
      const options = { heads: 2, window: 0, scale: 1, slot: 1 };
      return [cachedAttention(matrix(SOME, 8, 'q'), k, v, ones(SOME, 2), options)];
    };
    await hold(run, 1e-4).finally(() => computeAs({ software: true }));
  });

  test.each(['float16', 'int8', 'nf4', 'nf4_double'] as const)('unpacking %s', async (packing) => {
    const words = Int32Array.from({ length: 64 * SOME }, (_, i) => (i * 40_503) & 0x3bff3bff);
    const shape = [64 * SOME, PER_WORD[packing]] as [number, number];
    const blocks = Float32Array.from({ length: (shape[0] * shape[1]) / 64 }, (_, i) => 1 + (i % 7));
    const scales = () =>
      packing === 'nf4_double' ? tf.tensor1d(packScales(blocks), 'int32') : tf.tensor1d(blocks);
    const unpacked = async (unpack: typeof dequantize) =>
      unpack({ packing, shape, packed: tf.tensor1d(words, 'int32'), scales: scales() }).data();
    const got = await unpacked(dequantize);
    await tf.setBackend('cpu');
    const expected = await unpacked(dequantizeReference);
    await tf.setBackend('webgpu');
    expect(errorOf(got, expected)).toBeLessThan(2e-7);
  });

  test('AdamW and a write into the cache, in place', async () => {
    const update = async () => {
      const of = (word: string) => variable(repeated([64 * SOME], word));
      const [param, m, v] = [of('param'), of('m'), of('v')];
      tf.tidy(() => v.assign(tf.square(v)));
      const [grad, squares] = [repeated([64 * SOME], 'grad'), tf.scalar(1)];
      const options = { learningRate: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-2, weightDecay: 0.1, limit: 0 };
      adamw([param], { grad, m, v, squares }, { ...options, step: 3 });
      const cache = variable(repeated([SOME, 2, 64], 'cache'));
      const x = matrix(SOME, 64, 'x');
      cacheWrite(cache, x, 1);
      const tensors = [param, m, v, cache];
      const values = await Promise.all(tensors.map((tensor) => tensor.data()));
      tf.dispose([...tensors, grad, squares, x]);
      return values;
    };
    await tf.setBackend('cpu');
    const expected = await update();
    await tf.setBackend('webgpu');
    const got = await update();
    expected.forEach((reference, i) => expect(errorOf(got[i]!, reference), `tensor ${i}`).toBeLessThan(1e-5));
  });

  test('the sampler', async () => {
    const options = { temperature: 1, topK: 0, topP: 1, bannedId: -1 };
    const logits = matrix(SOME, 3, 'logits');
    const u = Float32Array.from({ length: SOME }, (_, row) => ((row * 7919) % 10_007) / 10_007);
    const { ids, logprobs } = await sampled(logits, u, options);
    const expected = sampleReference((await logits.data()) as Float32Array, 3, u, options);
    expect(ids).toEqual(expected.ids);
    expect(errorOf(logprobs, expected.logprobs)).toBeLessThan(1e-5);
    logits.dispose();
  });
});
