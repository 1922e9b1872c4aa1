// The wasm kernels: GFLOP/s of the matrix products that a training step is made of, and milliseconds of the other ops
// beside the same composed of stock tfjs-wasm ops.

import { openDevice } from '../src/engine/device';
import { attention, attentionReference, forestTensor } from '../src/engine/ops/attention';
import { cachedAttention, cachedAttentionReference } from '../src/engine/ops/cached-attention';
import { gelu, geluReference } from '../src/engine/ops/gelu';
import { layerNorm, layerNormReference } from '../src/engine/ops/layer-norm';
import { matmul, matmulReference } from '../src/engine/ops/matmul';
import { tokenLogprobs, tokenLogprobsReference } from '../src/engine/ops/token-logprobs';
import { allTokens } from '../src/model/distinct';
import { tf } from '../src/engine/tf';
import { table } from './table';
import { least, random } from './timing';

const transpositions = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

function products(multiply: typeof matmul, shapes: readonly (readonly [number, number, number])[]) {
  return shapes.map(([m, n, k]) => {
    const rates = transpositions.map(([transposeA, transposeB]) => {
      const a = transposeA ? random(k, m) : random(m, k);
      const b = transposeB ? random(n, k) : random(k, n);
      const ms = least(() => multiply(a, b, { transposeA, transposeB }));
      tf.dispose([a, b]);
      return ((2e-6 * m * n * k) / ms).toFixed(1);
    });
    return [`${m} × ${n} × ${k}`, ...rates];
  });
}

const large = [
  [1024, 1024, 256],
  [1024, 256, 1024],
  [4096, 256, 1024],
  [256, 4096, 256],
] as const;
const small = [
  [128, 1024, 256],
  [128, 256, 1024],
  [256, 256, 256],
  [1024, 8, 256],
  [1024, 256, 8],
  [8, 256, 1024],
  [32, 1024, 256],
  [8, 1024, 256],
  [1, 1024, 256],
] as const;

/** Ours, the composition, and their ratio. */
function compare(name: string, ours: () => tf.TensorContainer, stock: () => tf.TensorContainer) {
  const [a, b] = [least(ours), least(() => tf.tidy(stock))];
  return [name, a.toFixed(3), b.toFixed(3), `${(b / a).toFixed(1)} ×`];
}

/** Value and gradient in the inputs of Σ op. */
const backward = (op: (...xs: tf.Tensor[]) => tf.Tensor, ...inputs: tf.Tensor[]) => {
  const gradients = tf.grads((...xs) => tf.sum(op(...xs)));
  return () => gradients(inputs);
};

function ops() {
  const [batch, T, heads, C] = [2, 104, 8, 256];
  const options = { heads, window: 0, scale: 0.2 };
  const x = random(batch * T, C);
  const wide = random(batch * T, 4 * C);
  const gamma = tf.ones([C]);
  const mask = tf.ones<tf.Rank.R2>([batch, T], 'int32');
  const cache = tf.reshape(x, [batch, T, C]);
  const q = random(batch, C);
  const head = random(1024, C);
  const ids = tf.zeros<tf.Rank.R1>([batch * T], 'int32');
  const last = { ...options, slot: T - 1 };
  const texts = { ids: new Int32Array(batch * T), mask: new Int32Array(batch * T).fill(1), batch, length: T };
  const forest = allTokens(texts);
  const nodes = forestTensor(forest);
  type Three = [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const fused = (...qkv: tf.Tensor[]) => attention(...(qkv as Three), forest, nodes, options);
  const plain = (...qkv: tf.Tensor[]) => attentionReference(...(qkv as Three), forest, options);
  const norm = (f: typeof layerNorm) => (a: tf.Tensor) => f(a as tf.Tensor2D, gamma, gamma, 1e-5);
  const score = (f: typeof tokenLogprobs) => (a: tf.Tensor) => f(a as tf.Tensor2D, head, ids, 1).logprobs;
  return [
    compare(
      'attention, 2 × 104, 8 heads of 32',
      () => tf.tidy(() => fused(x, x, x)),
      () => plain(x, x, x),
    ),
    compare('… and its gradient', backward(fused, x, x, x), backward(plain, x, x, x)),
    compare(
      'one cached token of 2 rows, 104 slots',
      () => cachedAttention(q, cache, cache, mask, last),
      () => cachedAttentionReference(q, cache, cache, mask, last),
    ),
    compare(
      'LayerNorm, 208 × 256',
      () => norm(layerNorm)(x),
      () => norm(layerNormReference)(x),
    ),
    compare('… and its gradient', backward(norm(layerNorm), x), backward(norm(layerNormReference), x)),
    compare(
      'GELU, 208 × 1024',
      () => gelu(wide),
      () => geluReference(wide),
    ),
    compare(
      '… and its gradient',
      backward(gelu as (x: tf.Tensor) => tf.Tensor, wide),
      backward(geluReference as (x: tf.Tensor) => tf.Tensor, wide),
    ),
    compare(
      'token log-probabilities, 208 of 1024',
      () => tf.tidy(() => score(tokenLogprobs)(x)),
      () => score(tokenLogprobsReference)(x),
    ),
    compare(
      '… and their gradient',
      backward(score(tokenLogprobs), x),
      backward(score(tokenLogprobsReference), x),
    ),
  ];
}

/** Markdown. */
export async function kernels(threads: number): Promise<string> {
  const { adapter } = await openDevice('wasm', { threads });
  const head = ['m × n × k', 'A·B', 'A·Bᵀ', 'Aᵀ·B', 'Aᵀ·Bᵀ'];
  const stock = products(matmulReference, large.slice(0, 1)).map(([name, ...rest]) => [
    `stock, ${name}`,
    ...rest,
  ]);
  return [
    `### ${adapter}: GFLOP/s of matrix products`,
    table(head, [...products(matmul, [...large, ...small]), ...stock]),
    `### ${adapter}: milliseconds of the other ops, ours and composed of stock ops`,
    table(['op', 'ours', 'stock', 'ratio'], ops()),
  ].join('\n\n');
}
