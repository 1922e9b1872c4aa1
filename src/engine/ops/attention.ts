// Causal attention, whole-sequence form for training and scoring, over a forest of texts: a token sees what comes before
// it in its text, and where texts begin alike that beginning is there once. `window` limits how far back a query sees
// (GPT-Neo's local layers). The fused kernels keep only the log-sum-exp of each row and recompute the probabilities in
// the backward pass.

import { hasKernel, runKernel, tf } from '../tf';
import { placeRows } from './place-rows';

/** N tokens of a padded batch of texts [B, T], each before all that goes on from it. Some may be none: those attend to
 *  nothing, and 0 comes of them. */
export interface Forest {
  /** Where in [B·T] each comes first, [N]; −1 for one that is none. */
  first: Int32Array;
  /** How many tokens its text has before it, [N]. */
  depth: Int32Array;
  /** What goes on from r is r + 1 … end[r] − 1, [N]; r for one that is none. */
  end: Int32Array;
  /** Which of the N each of [B·T] is; −1 at padding. */
  of: Int32Array;
  batch: number;
}

export interface AttentionOptions {
  heads: number;
  /** Key j is visible to query i iff i − window < j ≤ i; 0 means all of j ≤ i. */
  window: number;
  /** Multiplies the scores: 1 for GPT-Neo, 1/√D elsewhere. */
  scale: number;
}

/** A forest as the kernels read it: first, depth, end and of, int32 [3N + B·T]. */
export function forestTensor({ first, depth, end, of }: Forest): tf.Tensor1D {
  const all = new Int32Array(3 * first.length + of.length);
  [first, depth, end, of].forEach((part, i) => all.set(part, i * first.length));
  return tf.tensor1d(all, 'int32');
}

/** softmax(scale·q·kᵀ + mask)·v per head. q, k, v [N, H·D], `nodes` the forest's tensor → [N, H·D]. */
export function attention(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  forest: Forest,
  nodes: tf.Tensor1D,
  options: AttentionOptions,
): tf.Tensor2D {
  if (!hasKernel('Attention')) return attentionReference(q, k, v, forest, options);
  const { trees, longest } = extent(forest);
  const attrs = { ...options, trees, longest };
  const [out] = runKernel<tf.Tensor[]>('Attention', { q, k, v, nodes }, attrs); // [N, H·D], lse [H, N]
  return out as tf.Tensor2D;
}

/** How many trees a forest has, at least 1, and the tokens of its longest text. */
function extent({ first, depth }: Forest): { trees: number; longest: number } {
  let [trees, longest] = [0, 1];
  first.forEach((place, r) => {
    if (place >= 0 && depth[r] === 0) trees++;
    longest = Math.max(longest, depth[r]! + 1);
  });
  return { trees: Math.max(1, trees), longest };
}

/** The same of plain tfjs ops, over the batch as it lies, with a [B, H, T, T] tensor of scores. */
export function attentionReference(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  { first, depth, of, batch }: Forest,
  { heads, window, scale }: AttentionOptions,
): tf.Tensor2D {
  const [N, width] = q.shape;
  const T = of.length / batch;
  // Each text a number, 0 for padding.
  const texts = new Int32Array(of.length);
  for (let i = 0, text = 0; i < of.length; i++)
    if (of[i]! >= 0) texts[i] = depth[of[i]!] === 0 ? ++text : text;
  const asItLies = N === of.length && of.every((r, i) => r === i);
  const split = (x: tf.Tensor2D) => {
    const placed = asItLies ? x : placeRows(x, of); // [B·T, H·D]
    return tf.transpose(tf.reshape(placed, [batch, T, heads, width / heads]), [0, 2, 1, 3]); // [B, H, T, D]
  };
  const i = tf.range(0, T, 1, 'int32').reshape([T, 1]);
  const j = tf.range(0, T, 1, 'int32').reshape([1, T]);
  const causal = tf.lessEqual(j, i); // [T, T]
  const near = window > 0 ? tf.logicalAnd(causal, tf.greater(j, tf.sub(i, window))) : causal;
  const segments = tf.tensor2d(texts, [batch, T], 'int32');
  const own = tf.equal(segments.reshape([batch, 1, T, 1]), segments.reshape([batch, 1, 1, T]));
  const visible = tf.logicalAnd(near.reshape([1, 1, T, T]), own); // [B, 1, T, T]
  const scores = tf.mul(tf.matMul(split(q), split(k), false, true), scale); // [B, H, T, T]
  const masked = tf.where(tf.broadcastTo(visible, scores.shape), scores, tf.fill(scores.shape, -1e9));
  const mixed = tf.matMul(tf.softmax(masked), split(v)); // [B, H, T, D]
  const rows = tf.reshape<tf.Rank.R2>(tf.transpose(mixed, [0, 2, 1, 3]), [of.length, width]);
  return asItLies ? rows : placeRows(rows, first);
}

tf.registerGradient({
  kernelName: 'RlhfAttention',
  inputsToSave: ['q', 'k', 'v', 'nodes'],
  outputsToSave: [true, true],
  gradFunc: (dys, saved, attrs) => {
    const [q, k, v, nodes, out, lse] = saved as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const dy = (dys as tf.Tensor[])[0] as tf.Tensor; // [N, H·D]
    // At once, not by need: tfjs gives each gradient below a tidy of its own, which would dispose of the other two.
    const grads = runKernel<tf.Tensor[]>('AttentionGrad', { q, k, v, nodes, out, lse, dy }, attrs);
    return {
      q: () => grads[0] as tf.Tensor,
      k: () => grads[1] as tf.Tensor,
      v: () => grads[2] as tf.Tensor,
    };
  },
});
