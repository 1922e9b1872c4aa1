// Causal attention by (row of the batch, head), a block of queries at a time, so that no [T, T] scores exist. The
// forward pass keeps each query's log-sum-exp; the backward pass computes the probabilities again from it.

import { integer, number } from './args';
import { GEMM_SCRATCH, gemm } from './gemm';
import { dot, exps, log, max4, sum4 } from './math';

/** Queries of a block. */
const QUERIES: usize = 32;
/** Score of a key that a query does not see. */
const HIDDEN: f32 = -1e30;

/** First key that query `i` may see. */
@inline
function firstKey(i: usize, window: usize): usize {
  return window && i >= window ? i - window + 1 : 0;
}

/** Bytes between rows of a block of scores for `keys` keys. */
@inline
function scoreStride(keys: usize): usize {
  return ((keys + 3) & ~3) << 2;
}

/**
 * Hides from one row of scores (for keys lo … hi − 1, padded to fours) what query i does not see: keys of another
 * segment, before its window, and later keys.
 */
function hide(scores: usize, lo: usize, hi: usize, i: usize, window: usize, segments: usize): void {
  const hidden = f32x4.splat(HIDDEN);
  const own = load<i32>(segments + (i << 2));
  const count = hi - lo;
  let j: usize = 0;
  for (; j + 4 <= count; j += 4) {
    const seen = i32x4.eq(v128.load(segments + ((lo + j) << 2)), i32x4.splat(own));
    v128.store(scores + (j << 2), v128.bitselect(v128.load(scores + (j << 2)), hidden, seen));
  }
  for (; j < count; j++) if (load<i32>(segments + ((lo + j) << 2)) != own) store<f32>(scores + (j << 2), HIDDEN);
  const first = max(firstKey(i, window), lo) - lo;
  for (j = 0; j < first; j++) store<f32>(scores + (j << 2), HIDDEN);
  for (j = i + 1 - lo; j < count || j & 3; j++) store<f32>(scores + (j << 2), HIDDEN);
}

/** Scores to probabilities, in place; returns the log-sum-exp. */
function softmax(scores: usize, bytes: usize): f32 {
  const end = scores + bytes;
  let top = v128.load(scores);
  for (let at = scores; at < end; at += 16) top = f32x4.pmax(top, v128.load(at));
  const highest = max4(top);
  exps(scores, scores, bytes, highest);
  let sums = f32x4.splat(0);
  for (let at = scores; at < end; at += 16) sums = f32x4.add(sums, v128.load(at));
  const sum = sum4(sums);
  const inverse = f32x4.splat(1 / sum);
  for (let at = scores; at < end; at += 16) v128.store(at, f32x4.mul(v128.load(at), inverse));
  return highest + <f32>log(sum);
}

/**
 * One head of one row: `count` queries, the first at position `start`, over the keys up to their own positions. All
 * strides in bytes; lse = 0 keeps no log-sum-exp.
 */
function attend(
  q: usize, k: usize, v: usize, segments: usize, out: usize, lse: usize, stride: usize,
  count: usize, start: usize, size: usize, window: usize, scale: f32, scratch: usize,
): void {
  const scores = scratch + GEMM_SCRATCH;
  for (let i0: usize = 0; i0 < count; i0 += QUERIES) {
    const rows = min(QUERIES, count - i0);
    const lo = firstKey(start + i0, window);
    const hi = start + i0 + rows;
    const bytes = scoreStride(hi - lo);
    const keys = k + lo * stride;
    gemm(
      q + i0 * stride, stride, 4, keys, 4, stride, scores, bytes,
      rows, hi - lo, size, 0, 0, scale, 0, 0, scratch,
    );
    for (let i: usize = 0; i < rows; i++) {
      hide(scores + i * bytes, lo, hi, start + i0 + i, window, segments);
      const sum = softmax(scores + i * bytes, bytes);
      if (lse) store<f32>(lse + ((i0 + i) << 2), sum);
    }
    gemm(
      scores, bytes, 4, v + lo * stride, stride, 4, out + i0 * stride, stride,
      rows, size, hi - lo, 0, 0, 1, 0, 0, scratch,
    );
  }
}

/** Scores of one query with four keys, `stride` bytes apart. */
@inline
function score4(q: usize, k: usize, stride: usize, size: usize): v128 {
  const k1 = k + stride;
  const k2 = k1 + stride;
  const k3 = k2 + stride;
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let d: usize = 0;
  for (; d + 4 <= size; d += 4) {
    const at = d << 2;
    const x = v128.load(q + at);
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(k + at)));
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(k1 + at)));
    s2 = f32x4.add(s2, f32x4.mul(x, v128.load(k2 + at)));
    s3 = f32x4.add(s3, f32x4.mul(x, v128.load(k3 + at)));
  }
  const a = f32x4.add(v128.shuffle<f32>(s0, s1, 0, 4, 1, 5), v128.shuffle<f32>(s0, s1, 2, 6, 3, 7));
  const b = f32x4.add(v128.shuffle<f32>(s2, s3, 0, 4, 1, 5), v128.shuffle<f32>(s2, s3, 2, 6, 3, 7));
  let sum = f32x4.add(v128.shuffle<i64>(a, b, 0, 2), v128.shuffle<i64>(a, b, 1, 3));
  for (; d < size; d++) {
    const at = d << 2;
    let column = v128.load32_zero(k + at);
    column = v128.load_lane<f32>(k1 + at, column, 1);
    column = v128.load_lane<f32>(k2 + at, column, 2);
    column = v128.load_lane<f32>(k3 + at, column, 3);
    sum = f32x4.add(sum, f32x4.mul(v128.load_splat<f32>(q + at), column));
  }
  return sum;
}

/** The same for one query, whose keys are worth no packing. */
function attendOne(
  q: usize, k: usize, v: usize, segments: usize, out: usize, stride: usize,
  position: usize, size: usize, window: usize, scale: f32, scratch: usize,
): void {
  const scores = scratch + GEMM_SCRATCH;
  let lo = firstKey(position, window);
  // Past what it does not see, by fours: sums keep their order.
  const own = v128.load_splat<i32>(segments + (position << 2));
  while (lo + 4 <= position && !v128.any_true(i32x4.eq(v128.load(segments + (lo << 2)), own))) lo += 4;
  const keys = position + 1 - lo;
  const scales = f32x4.splat(scale);
  let j: usize = 0;
  let at = k + lo * stride;
  for (; j + 4 <= keys; j += 4, at += 4 * stride) {
    v128.store(scores + (j << 2), f32x4.mul(scales, score4(q, at, stride, size)));
  }
  for (; j < keys; j++, at += stride) store<f32>(scores + (j << 2), scale * dot(q, at, size));
  hide(scores, lo, position + 1, position, window, segments);
  softmax(scores, scoreStride(keys));
  const values = v + lo * stride;
  let d: usize = 0;
  for (; d + 32 <= size; d += 32) {
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    at = values + (d << 2);
    for (j = 0; j < keys; j++, at += stride) {
      const p = v128.load_splat<f32>(scores + (j << 2));
      s0 = f32x4.add(s0, f32x4.mul(p, v128.load(at)));
      s1 = f32x4.add(s1, f32x4.mul(p, v128.load(at, 16)));
      s2 = f32x4.add(s2, f32x4.mul(p, v128.load(at, 32)));
      s3 = f32x4.add(s3, f32x4.mul(p, v128.load(at, 48)));
      s4 = f32x4.add(s4, f32x4.mul(p, v128.load(at, 64)));
      s5 = f32x4.add(s5, f32x4.mul(p, v128.load(at, 80)));
      s6 = f32x4.add(s6, f32x4.mul(p, v128.load(at, 96)));
      s7 = f32x4.add(s7, f32x4.mul(p, v128.load(at, 112)));
    }
    const to = out + (d << 2);
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
    v128.store(to, s4, 64);
    v128.store(to, s5, 80);
    v128.store(to, s6, 96);
    v128.store(to, s7, 112);
  }
  for (; d + 4 <= size; d += 4) {
    let sum = f32x4.splat(0);
    at = values + (d << 2);
    for (j = 0; j < keys; j++, at += stride) {
      sum = f32x4.add(sum, f32x4.mul(v128.load_splat<f32>(scores + (j << 2)), v128.load(at)));
    }
    v128.store(out + (d << 2), sum);
  }
  for (; d < size; d++) {
    let sum: f32 = 0;
    at = values + (d << 2);
    for (j = 0; j < keys; j++, at += stride) sum += load<f32>(scores + (j << 2)) * load<f32>(at);
    store<f32>(out + (d << 2), sum);
  }
}

/**
 * Units are (row, head). Floats: scale. Integers: q, k, v, segments, out, lse (0 = none), T queries a row, heads, head
 * size, window, S slots a row of k, v and segments, slot of the first query.
 */
export function attention(args: usize, begin: usize, end: usize, scratch: usize): void {
  const scale = <f32>number(args, 0);
  const lse = integer(args, 5);
  const T = integer(args, 6);
  const heads = integer(args, 7);
  const size = integer(args, 8);
  const window = integer(args, 9);
  const S = integer(args, 10);
  const start = integer(args, 11);
  const stride = (heads * size) << 2;
  for (let unit = begin; unit < end; unit++) {
    const row = unit / heads;
    const column = ((unit % heads) * size) << 2;
    const q = integer(args, 0) + row * T * stride + column;
    const k = integer(args, 1) + row * S * stride + column;
    const v = integer(args, 2) + row * S * stride + column;
    const segments = integer(args, 3) + ((row * S) << 2);
    const out = integer(args, 4) + row * T * stride + column;
    if (T == 1 && !lse) attendOne(q, k, v, segments, out, stride, start, size, window, scale, scratch);
    else attend(q, k, v, segments, out, lse ? lse + ((unit * T) << 2) : 0, stride, T, start, size, window, scale, scratch);
  }
}

/**
 * Units are (row, head). Floats: scale. Integers: q, k, v, segments, out, lse, dy, dq, dk, dv, T, heads, head size,
 * window.
 */
export function attentionGrad(args: usize, begin: usize, end: usize, scratch: usize): void {
  const scale = <f32>number(args, 0);
  const T = integer(args, 10);
  const heads = integer(args, 11);
  const size = integer(args, 12);
  const window = integer(args, 13);
  const stride = (heads * size) << 2;
  for (let unit = begin; unit < end; unit++) {
    const row = unit / heads;
    const at = row * T * stride + (((unit % heads) * size) << 2);
    const q = integer(args, 0) + at;
    const k = integer(args, 1) + at;
    const v = integer(args, 2) + at;
    const segments = integer(args, 3) + ((row * T) << 2);
    const out = integer(args, 4) + at;
    const lse = integer(args, 5) + ((unit * T) << 2);
    const dy = integer(args, 6) + at;
    const dq = integer(args, 7) + at;
    const dk = integer(args, 8) + at;
    const dv = integer(args, 9) + at;
    for (let i: usize = 0; i < T; i++) {
      memory.fill(dk + i * stride, 0, size << 2);
      memory.fill(dv + i * stride, 0, size << 2);
    }
    for (let i0: usize = 0; i0 < T; i0 += QUERIES) {
      const rows = min(QUERIES, T - i0);
      const lo = firstKey(i0, window);
      const hi = i0 + rows;
      const n = hi - lo;
      const bytes = scoreStride(n);
      const p = scratch + GEMM_SCRATCH; // [rows, n]
      const ds = p + QUERIES * bytes; // [rows, n]
      const block = i0 * stride;
      const keys = lo * stride;
      gemm(q + block, stride, 4, k + keys, 4, stride, p, bytes, rows, n, size, 0, 0, scale, 0, 0, scratch);
      gemm(dy + block, stride, 4, v + keys, 4, stride, ds, bytes, rows, n, size, 0, 0, 1, 0, 0, scratch);
      for (let i: usize = 0; i < rows; i++) {
        const here = block + i * stride;
        hide(p + i * bytes, lo, hi, i0 + i, window, segments);
        scoreGrad(p + i * bytes, ds + i * bytes, bytes, load<f32>(lse + ((i0 + i) << 2)), dot(dy + here, out + here, size), scale);
      }
      gemm(ds, bytes, 4, k + keys, stride, 4, dq + block, stride, rows, size, n, 0, 0, 1, 0, 0, scratch);
      gemm(ds, 4, bytes, q + block, stride, 4, dk + keys, stride, n, size, rows, dk + keys, stride, 1, 0, 0, scratch);
      gemm(p, 4, bytes, dy + block, stride, 4, dv + keys, stride, n, size, rows, dv + keys, stride, 1, 0, 0, scratch);
    }
  }
}

/** One row of scores to probabilities, and of dp to ds = p(dp − delta)·scale, both in place. */
function scoreGrad(p: usize, ds: usize, bytes: usize, lse: f32, delta: f32, scale: f32): void {
  exps(p, p, bytes, lse);
  const deltas = f32x4.splat(delta);
  const scales = f32x4.splat(scale);
  for (let at: usize = 0; at < bytes; at += 16) {
    const slope = f32x4.mul(v128.load(p + at), f32x4.sub(v128.load(ds + at), deltas));
    v128.store(ds + at, f32x4.mul(slope, scales));
  }
}
