// The WGSL kernels beside stock tfjs on the same adapter: the matrix products of a training step of stories-neo in the
// transpositions it needs them in, and the other ops beside their compositions. Ours and stock take turns; under Node
// the software adapter computes in our own process, so its processor time can be taken, whatever else the machine does.

import { openDevice } from '../src/engine/device';
import { attention, attentionReference, forestTensor } from '../src/engine/ops/attention';
import { gelu, geluReference } from '../src/engine/ops/gelu';
import { layerNorm, layerNormReference } from '../src/engine/ops/layer-norm';
import { linear, type LinearLayer } from '../src/engine/ops/linears';
import { matmul, matmulReference } from '../src/engine/ops/matmul';
import { tokenLogprobs, tokenLogprobsReference } from '../src/engine/ops/token-logprobs';
import { webgpuBackend } from '../src/engine/private';
import { normals } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import { adapterTraits } from '../src/engine/webgpu/adapter';
import { DEFAULT_CHOICE, useKernels } from '../src/engine/webgpu/tiles';
import { allTokens } from '../src/model/distinct';
import { packMatrix } from '../src/model/quantize';
import { table } from './table';
import { random } from './timing';

/** Milliseconds of processor time, all threads, until the GPU has run what f records. */
async function milliseconds(f: () => tf.TensorContainer): Promise<number> {
  const backend = webgpuBackend();
  const start = process.cpuUsage();
  tf.dispose(tf.tidy(f));
  backend.endComputePassEncoder();
  if (backend.commandEncoder) backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** The least times of each of them, in turns. */
async function turns(those: readonly (() => tf.TensorContainer)[]): Promise<number[]> {
  const best = those.map(() => Infinity);
  for (const one of those) await milliseconds(one); // compiles
  for (let i = 0; i < 3; i++) {
    for (const [at, one] of those.entries()) best[at] = Math.min(best[at]!, await milliseconds(one));
  }
  return best;
}

const race = async (ours: () => tf.TensorContainer, stock: () => tf.TensorContainer) =>
  (await turns([ours, stock])) as [number, number];

/** M, N, K of the product, its transpositions, and where it occurs; 256 tokens. */
const products = [
  [256, 256, 256, false, true, 'x·Wᵀ, q k v and out'],
  [256, 1024, 256, false, true, 'x·Wᵀ, c_fc'],
  [256, 256, 1024, false, true, 'x·Wᵀ, c_proj'],
  [256, 4096, 256, false, true, 'x·Wᵀ, tied head'],
  [256, 8, 256, false, true, 'x·Aᵀ, LoRA'],
  [256, 256, 1024, false, false, 'dY·W, c_fc'],
  [256, 1024, 256, false, false, 'dY·W, c_proj'],
  [1024, 256, 256, true, false, 'dYᵀ·x, c_fc'],
  [8, 256, 256, true, false, 'dAᵀ, LoRA'],
] as const;

async function matrixProducts(): Promise<string[][]> {
  const rows: string[][] = [];
  for (const [M, N, K, transposeA, transposeB, where] of products) {
    const a = transposeA ? random(K, M) : random(M, K);
    const b = transposeB ? random(N, K) : random(K, N);
    const options = { transposeA, transposeB };
    const [ours, stock] = await race(
      () => matmul(a, b, options),
      () => matmulReference(a, b, options),
    );
    tf.dispose([a, b]);
    const rate = (ms: number) => ((2e-6 * M * N * K) / ms).toFixed(2);
    rows.push([where, `${M} × ${N} × ${K}`, rate(ours), rate(stock), `${(stock / ours).toFixed(1)} ×`]);
  }
  return rows;
}

/** x [M, K] through a frozen matrix [N, K], by how it is kept. */
async function packedProducts(): Promise<string[][]> {
  const rows: string[][] = [];
  const [N, K] = [1024, 1024];
  const values = normals(N * K, 1);
  const whole = tf.tensor2d(values, [N, K]);
  const [float16, int8, nf4] = (['float16', 'int8', 'nf4'] as const).map((packing) =>
    packMatrix(values, [N, K], packing),
  );
  const asHalves = (f: () => tf.Tensor2D) => () => {
    useKernels({ ...DEFAULT_CHOICE, halves: true });
    const result = f();
    useKernels(DEFAULT_CHOICE);
    return result;
  };
  for (const M of [1, 16, 256]) {
    const x = random(M, K);
    const through = (weight: LinearLayer['weight']) => () => linear(x, { weight, fanInFanOut: false });
    const packed = [through(whole), through(float16!), through(int8!), through(nf4!)];
    if (adapterTraits().half) packed.push(asHalves(through(float16!)));
    const shown = (await turns(packed)).map((ms) => ms.toFixed(2));
    rows.push([`${M} × ${N} × ${K}`, ...shown.slice(0, 4), shown[4] ?? 'not by this adapter']);
    x.dispose();
  }
  return rows;
}

const backward = (op: (...xs: tf.Tensor2D[]) => tf.Tensor, ...inputs: tf.Tensor2D[]) => {
  const gradients = tf.grads((...xs) => tf.sum(op(...(xs as tf.Tensor2D[]))));
  return () => gradients(inputs);
};

async function ops(): Promise<string[][]> {
  const [batch, T, C, V] = [2, 64, 256, 4096];
  const x = random(batch * T, C);
  const wide = random(batch * T, 4 * C);
  const head = random(V, C);
  const gamma = tf.ones([C]);
  const ids = tf.zeros<tf.Rank.R1>([batch * T], 'int32');
  const score = (f: typeof tokenLogprobs) => (h: tf.Tensor2D) => f(h, head, ids, 1).logprobs;
  const texts = { ids: new Int32Array(batch * T), mask: new Int32Array(batch * T).fill(1), batch, length: T };
  const forest = allTokens(texts);
  const nodes = forestTensor(forest);
  const options = { heads: 8, window: 0, scale: 0.2 };
  type Three = [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const fused = (...qkv: tf.Tensor2D[]) => attention(...(qkv as Three), forest, nodes, options);
  const plain = (...qkv: tf.Tensor2D[]) => attentionReference(...(qkv as Three), forest, options);
  const norm = (f: typeof layerNorm) => (h: tf.Tensor2D) => f(h, gamma, gamma, 1e-5);
  const cases: [
    string,
    (...xs: tf.Tensor2D[]) => tf.Tensor,
    (...xs: tf.Tensor2D[]) => tf.Tensor,
    tf.Tensor2D[],
  ][] = [
    ['token log-probabilities, 128 of 4096', score(tokenLogprobs), score(tokenLogprobsReference), [x]],
    ['attention, 2 × 64, 8 heads of 32', fused, plain, [x, x, x]],
    ['LayerNorm, 128 × 256', norm(layerNorm), norm(layerNormReference), [x]],
    ['GELU, 128 × 1024', gelu, geluReference, [wide]],
  ];
  const rows: string[][] = [];
  for (const [name, ours, stock, inputs] of cases) {
    const forward = await race(
      () => ours(...inputs),
      () => stock(...inputs),
    );
    const both = await race(backward(ours, ...inputs), backward(stock, ...inputs));
    for (const [what, [a, b]] of [
      [name, forward],
      ['… and its gradient', both],
    ] as const) {
      rows.push([what, a.toFixed(1), b.toFixed(1), `${(b / a).toFixed(1)} ×`]);
    }
  }
  return rows;
}

/** The adapter's name, and Markdown. */
export async function kernels(): Promise<{ adapter: string; tables: string }> {
  const { adapter } = await openDevice('webgpu');
  const tables = [
    `### ${adapter}: GFLOP of matrix products a second of processor time`,
    table(['product', 'M × N × K', 'ours', 'stock tfjs', 'ratio'], await matrixProducts()),
    `### ${adapter}: milliseconds of processor time of the other ops, ours and composed of stock ops`,
    table(['op', 'ours', 'stock tfjs', 'ratio'], await ops()),
    `### ${adapter}: milliseconds of processor time of a product with a frozen matrix, by how it is kept`,
    table(
      ['M × N × K', 'float32', 'float16, unpacked', 'int8', 'NF4', 'float16, read as halves'],
      await packedProducts(),
    ),
  ].join('\n\n');
  return { adapter, tables };
}
