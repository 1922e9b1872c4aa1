// Attention over a key/value cache, for generation: the newest token of each row against everything before it.
// No gradient. The caches are tf.Variables because cacheWrite changes them in place.

import { hasKernel, runKernel, tf, unshare } from '../tf';
import type { AttentionOptions } from './attention';

export interface CachedAttentionOptions extends AttentionOptions {
  /** Cache slot of each row's query. */
  slot: number;
}

/** Puts the new keys or values x [B·t, C] into cache [B, S, C] at slots start … start + t − 1, in place. */
export function cacheWrite(cache: tf.Variable, x: tf.Tensor2D, start: number): void {
  if (hasKernel('CacheWrite')) {
    unshare(cache);
    tf.dispose(runKernel<tf.Tensor>('CacheWrite', { cache, x }, { start }));
    return;
  }
  tf.tidy(() => {
    const [batch, slots, width] = cache.shape as [number, number, number];
    const t = x.shape[0] / batch;
    const before = tf.slice(cache, [0, 0, 0], [batch, start, width]);
    const after = tf.slice(cache, [0, start + t, 0], [batch, slots - start - t, width]);
    cache.assign(tf.concat([before, tf.reshape(x, [batch, t, width]), after], 1));
  });
}

/** q [B, C], caches [B, S, C], segments int32 [B, S] → [B, C]: a query sees the slots up to its own that are of its
 *  segment, which 0 before a text and 1 in it keep apart. */
export function cachedAttention(
  q: tf.Tensor2D,
  kCache: tf.Tensor,
  vCache: tf.Tensor,
  segments: tf.Tensor2D,
  options: CachedAttentionOptions,
): tf.Tensor2D {
  if (!hasKernel('CachedAttention')) return cachedAttentionReference(q, kCache, vCache, segments, options);
  return runKernel('CachedAttention', { q, kCache, vCache, segments }, { ...options });
}

/** The same of plain tfjs ops. */
export function cachedAttentionReference(
  q: tf.Tensor2D,
  kCache: tf.Tensor,
  vCache: tf.Tensor,
  segments: tf.Tensor2D,
  { heads, window, scale, slot }: CachedAttentionOptions,
): tf.Tensor2D {
  const [batch, width] = q.shape;
  const S = kCache.shape[1] ?? 0;
  const D = width / heads;
  const split = (x: tf.Tensor, n: number) => tf.transpose(tf.reshape(x, [batch, n, heads, D]), [0, 2, 1, 3]); // [B, H, n, D]
  const j = tf.range(0, S, 1, 'int32').reshape([1, S]);
  const causal = tf.lessEqual(j, slot); // [1, S]
  const near = window > 0 ? tf.logicalAnd(causal, tf.greater(j, slot - window)) : causal;
  const own = tf.equal(tf.slice(segments, [0, slot], [batch, 1]), segments); // [B, S]
  const visible = tf.logicalAnd(near, own).reshape([batch, 1, 1, S]);
  const scores = tf.mul(tf.matMul(split(q, 1), split(kCache, S), false, true), scale); // [B, H, 1, S]
  const masked = tf.where(tf.broadcastTo(visible, scores.shape), scores, tf.fill(scores.shape, -1e9));
  const mixed = tf.matMul(tf.softmax(masked), split(vCache, S)); // [B, H, 1, D]
  return tf.reshape(mixed, [batch, width]);
}
