// Causal attention, whole-sequence form for training and scoring. `window` limits how far back a query sees
// (GPT-Neo's local layers); `segments` keeps padding and the documents of a packed row apart. The fused kernels keep only
// the log-sum-exp of each row and recompute the probabilities in the backward pass.

import { hasKernel, runKernel, tf } from '../tf';

export interface AttentionOptions {
  batch: number;
  heads: number;
  /** Key j is visible to query i iff i − window < j ≤ i; 0 means all of j ≤ i. */
  window: number;
  /** Multiplies the scores: 1 for GPT-Neo, 1/√D elsewhere. */
  scale: number;
}

/**
 * softmax(scale·q·kᵀ + mask)·v per head. q, k, v [B·T, H·D], segments int32 [B, T] → [B·T, H·D]. A query sees keys of its
 * own segment only: 0 is padding, 1 a real token, and where several documents share a row each has a number.
 */
export function attention(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  segments: tf.Tensor2D,
  options: AttentionOptions,
): tf.Tensor2D {
  if (!hasKernel('Attention')) return attentionReference(q, k, v, segments, options);
  const [out] = runKernel<tf.Tensor[]>('Attention', { q, k, v, segments }, { ...options }); // [B·T, H·D], lse [B·H, T]
  return out as tf.Tensor2D;
}

/** The same of plain tfjs ops, with a [B, H, T, T] tensor of scores. */
export function attentionReference(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  segments: tf.Tensor2D,
  { batch, heads, window, scale }: AttentionOptions,
): tf.Tensor2D {
  const [rows, width] = q.shape;
  const T = rows / batch;
  const split = (x: tf.Tensor2D) =>
    tf.transpose(tf.reshape(x, [batch, T, heads, width / heads]), [0, 2, 1, 3]); // [B, H, T, D]
  const i = tf.range(0, T, 1, 'int32').reshape([T, 1]);
  const j = tf.range(0, T, 1, 'int32').reshape([1, T]);
  const causal = tf.lessEqual(j, i); // [T, T]
  const near = window > 0 ? tf.logicalAnd(causal, tf.greater(j, tf.sub(i, window))) : causal;
  const own = tf.equal(segments.reshape([batch, 1, T, 1]), segments.reshape([batch, 1, 1, T]));
  const visible = tf.logicalAnd(near.reshape([1, 1, T, T]), own); // [B, 1, T, T]
  const scores = tf.mul(tf.matMul(split(q), split(k), false, true), scale); // [B, H, T, T]
  const masked = tf.where(tf.broadcastTo(visible, scores.shape), scores, tf.fill(scores.shape, -1e9));
  const mixed = tf.matMul(tf.softmax(masked), split(v)); // [B, H, T, D]
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rows, width]);
}

tf.registerGradient({
  kernelName: 'RlhfAttention',
  inputsToSave: ['q', 'k', 'v', 'segments'],
  outputsToSave: [true, true],
  gradFunc: (dys, saved, attrs) => {
    const [q, k, v, segments, out, lse] = saved as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const dy = (dys as tf.Tensor[])[0] as tf.Tensor; // [B·T, H·D]
    // At once, not by need: tfjs gives each gradient below a tidy of its own, which would dispose of the other two.
    const grads = runKernel<tf.Tensor[]>('AttentionGrad', { q, k, v, segments, out, lse, dy }, attrs);
    return {
      q: () => grads[0] as tf.Tensor,
      k: () => grads[1] as tf.Tensor,
      v: () => grads[2] as tf.Tensor,
    };
  },
});
