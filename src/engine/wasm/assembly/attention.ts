// Causal attention over a forest of texts (ops/attention.ts), a head of a tree at a time. Each run of tokens that stand one
// after the other in a text is met with the keys of that text up to its end, gathered side by side, a block of queries at
// a time, so that no [T, T] scores exist. The forward pass keeps each query's log-sum-exp; the backward pass computes the
// probabilities again from it.

import { integer, number } from './args';
import { GEMM_SCRATCH, gemmInBlocks as gemm } from './gemm';
import { dot, exps, log, max4, sum4 } from './math';
import { addRow } from './rows';

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

/** Hides from one row of scores (for keys lo … hi − 1, padded to fours) what query i does not see of its own text. */
@inline
function hide(scores: usize, lo: usize, hi: usize, i: usize, window: usize): void {
  const first = max(firstKey(i, window), lo) - lo;
  const count = hi - lo;
  let j: usize = 0;
  for (; j < first; j++) store<f32>(scores + (j << 2), HIDDEN);
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
 * One head of a run of `count` queries, of which the first has `start` tokens before it, over their text's `keys` and
 * `values`, side by side. Strides in bytes.
 */
function attend(
  q: usize, keys: usize, values: usize, out: usize, lse: usize, stride: usize,
  count: usize, start: usize, size: usize, window: usize, scale: f32, scratch: usize, scores: usize,
): void {
  const side = size << 2;
  for (let i0: usize = 0; i0 < count; i0 += QUERIES) {
    const rows = min(QUERIES, count - i0);
    const lo = firstKey(start + i0, window) & ~3; // sums by fours go alike wherever a block begins
    const hi = start + i0 + rows;
    const bytes = scoreStride(hi - lo);
    gemm(
      q + i0 * stride, stride, 4, keys + lo * side, 4, side, scores, bytes,
      rows, hi - lo, size, 0, 0, scale, 0, 0, scratch,
    );
    for (let i: usize = 0; i < rows; i++) {
      hide(scores + i * bytes, lo, hi, start + i0 + i, window);
      store<f32>(lse + ((i0 + i) << 2), softmax(scores + i * bytes, bytes));
    }
    gemm(
      scores, bytes, 4, values + lo * side, side, 4, out + i0 * stride, stride,
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

/** One head of one query at `position` of a cache, whose keys are worth no packing. */
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
  const hidden = f32x4.splat(HIDDEN);
  for (j = 0; j + 4 <= keys; j += 4) {
    const seen = i32x4.eq(v128.load(segments + ((lo + j) << 2)), own);
    v128.store(scores + (j << 2), v128.bitselect(v128.load(scores + (j << 2)), hidden, seen));
  }
  for (; j < keys; j++) {
    if (load<i32>(segments + ((lo + j) << 2)) != v128.extract_lane<i32>(own, 0)) store<f32>(scores + (j << 2), HIDDEN);
  }
  for (; j & 3; j++) store<f32>(scores + (j << 2), HIDDEN);
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
 * Units are (row, head). Floats: scale. Integers: q, k, v, segments, out, heads, head size, window, S slots a row of k, v
 * and segments, slot of the query.
 */
export function cachedAttention(args: usize, begin: usize, end: usize, scratch: usize): void {
  const scale = <f32>number(args, 0);
  const heads = integer(args, 5);
  const size = integer(args, 6);
  const window = integer(args, 7);
  const S = integer(args, 8);
  const slot = integer(args, 9);
  const stride = (heads * size) << 2;
  for (let unit = begin; unit < end; unit++) {
    const row = unit / heads;
    const column = ((unit % heads) * size) << 2;
    const q = integer(args, 0) + row * stride + column;
    const k = integer(args, 1) + row * S * stride + column;
    const v = integer(args, 2) + row * S * stride + column;
    const segments = integer(args, 3) + ((row * S) << 2);
    const out = integer(args, 4) + row * stride + column;
    attendOne(q, k, v, segments, out, stride, slot, size, window, scale, scratch);
  }
}

// A forest of N nodes is first, depth and end, int32 [N] each, then `of` [B·T].

/** The first node of tree `number`; N if there are fewer. */
function rootOf(nodes: usize, N: usize, number: usize): usize {
  let r: usize = 0;
  while (r < N) {
    if (load<i32>(nodes + (r << 2)) < 0) r++;
    else if (number-- == 0) break;
    else r = endOf(nodes, N, r);
  }
  return r;
}

/** The node after all that go on from r; N for r = N. */
@inline
function endOf(nodes: usize, N: usize, r: usize): usize {
  return r < N ? load<usize>(nodes + ((2 * N + r) << 2)) : N;
}

/** Where the run of tokens ends that begins with node r and stands as it is in a text of a tree that ends at `end`. */
function runEnd(nodes: usize, r: usize, end: usize): usize {
  const place = load<i32>(nodes + (r << 2)) - <i32>r;
  while (++r < end && load<i32>(nodes + (r << 2)) - <i32>r == place) continue;
  return r;
}

/** The nodes of the text of r from its beginning on: addresses of int32. */
@inline
function textOf(nodes: usize, N: usize, r: usize): usize {
  const place = load<usize>(nodes + (r << 2)) - load<usize>(nodes + ((N + r) << 2));
  return nodes + ((3 * N + place) << 2);
}

/** Rows x[text[j]] of a head, for j = from … to − 1, side by side in `out`, where row j has its place. */
function gather(x: usize, stride: usize, text: usize, from: usize, to: usize, out: usize, side: usize): void {
  for (let j = from; j < to; j++) memory.copy(out + j * side, x + load<usize>(text + (j << 2)) * stride, side);
}

/** The other way: x[text[j]] += rows[j]. */
function spread(x: usize, stride: usize, text: usize, from: usize, to: usize, rows: usize, side: usize): void {
  for (let j = from; j < to; j++) addRow(x + load<usize>(text + (j << 2)) * stride, rows + j * side, side);
}

/** Zeros in a head of rows begin … end − 1, or of those that are no nodes. */
function clear(x: usize, stride: usize, begin: usize, end: usize, side: usize, nodes: usize): void {
  for (let r = begin; r < end; r++) {
    if (!nodes || load<i32>(nodes + (r << 2)) < 0) memory.fill(x + r * stride, 0, side);
  }
}

/**
 * Units are (head, tree). Floats: scale. Integers: q, k, v, nodes, out, lse, N, heads, head size, window, trees, tokens of
 * the longest text.
 */
export function attention(args: usize, begin: usize, end: usize, scratch: usize): void {
  const scale = <f32>number(args, 0);
  const nodes = integer(args, 3);
  const N = integer(args, 6);
  const size = integer(args, 8);
  const window = integer(args, 9);
  const trees = integer(args, 10);
  const side = size << 2;
  const stride = integer(args, 7) * side;
  const keys = scratch + GEMM_SCRATCH;
  const values = keys + integer(args, 11) * side;
  const scores = values + integer(args, 11) * side;
  for (let unit = begin; unit < end; unit++) {
    const column = (unit / trees) * side;
    const out = integer(args, 4) + column;
    const lse = integer(args, 5) + (((unit / trees) * N) << 2);
    if (unit % trees == 0) {
      clear(out, stride, 0, N, side, nodes);
      clear(lse, 4, 0, N, 4, nodes);
    }
    const root = rootOf(nodes, N, unit % trees);
    const to = endOf(nodes, N, root);
    for (let r = root; r < to; ) {
      const next = runEnd(nodes, r, to);
      const start = load<usize>(nodes + ((N + r) << 2));
      const text = textOf(nodes, N, r);
      const from = firstKey(start, window) & ~3;
      gather(integer(args, 1) + column, stride, text, from, start + next - r, keys, side);
      gather(integer(args, 2) + column, stride, text, from, start + next - r, values, side);
      attend(
        integer(args, 0) + column + r * stride, keys, values, out + r * stride, lse + (r << 2), stride,
        next - r, start, size, window, scale, scratch, scores,
      );
      r = next;
    }
  }
}

/**
 * Units are (head, tree). Floats: scale. Integers: q, k, v, nodes, out, lse, dy, dq, dk, dv, N, heads, head size, window,
 * trees, tokens of the longest text.
 */
export function attentionGrad(args: usize, begin: usize, end: usize, scratch: usize): void {
  const scale = <f32>number(args, 0);
  const nodes = integer(args, 3);
  const N = integer(args, 10);
  const size = integer(args, 12);
  const window = integer(args, 13);
  const trees = integer(args, 14);
  const side = size << 2;
  const stride = integer(args, 11) * side;
  const keys = scratch + GEMM_SCRATCH;
  const values = keys + integer(args, 15) * side;
  const dKeys = values + integer(args, 15) * side;
  const dValues = dKeys + integer(args, 15) * side;
  const p = dValues + integer(args, 15) * side; // [rows, n]
  for (let unit = begin; unit < end; unit++) {
    const column = (unit / trees) * side;
    const dk = integer(args, 8) + column;
    const dv = integer(args, 9) + column;
    if (unit % trees == 0) {
      clear(integer(args, 7) + column, stride, 0, N, side, nodes);
      clear(dk, stride, 0, N, side, nodes);
      clear(dv, stride, 0, N, side, nodes);
    }
    const root = rootOf(nodes, N, unit % trees);
    const to = endOf(nodes, N, root);
    clear(dk, stride, root, to, side, 0);
    clear(dv, stride, root, to, side, 0);
    for (let r = root; r < to; ) {
      const next = runEnd(nodes, r, to);
      const start = load<usize>(nodes + ((N + r) << 2));
      const last = start + next - r;
      const text = textOf(nodes, N, r);
      const from = firstKey(start, window) & ~3;
      gather(integer(args, 1) + column, stride, text, from, last, keys, side);
      gather(integer(args, 2) + column, stride, text, from, last, values, side);
      memory.fill(dKeys + from * side, 0, (last - from) * side);
      memory.fill(dValues + from * side, 0, (last - from) * side);
      for (let i0: usize = 0; i0 < next - r; i0 += QUERIES) {
        const rows = min(QUERIES, next - r - i0);
        const lo = firstKey(start + i0, window) & ~3; // sums by fours go alike wherever a block begins
        const hi = start + i0 + rows;
        const n = hi - lo;
        const bytes = scoreStride(n);
        const ds = p + QUERIES * bytes; // [rows, n]
        const block = column + (r + i0) * stride;
        const q = integer(args, 0) + block;
        const dy = integer(args, 6) + block;
        const lse = integer(args, 5) + (((unit / trees) * N + r + i0) << 2);
        const at = lo * side;
        gemm(q, stride, 4, keys + at, 4, side, p, bytes, rows, n, size, 0, 0, scale, 0, 0, scratch);
        gemm(dy, stride, 4, values + at, 4, side, ds, bytes, rows, n, size, 0, 0, 1, 0, 0, scratch);
        for (let i: usize = 0; i < rows; i++) {
          hide(p + i * bytes, lo, hi, start + i0 + i, window);
          const delta = dot(dy + i * stride, integer(args, 4) + block + i * stride, size);
          scoreGrad(p + i * bytes, ds + i * bytes, bytes, load<f32>(lse + (i << 2)), delta, scale);
        }
        gemm(ds, bytes, 4, keys + at, side, 4, integer(args, 7) + block, stride, rows, size, n, 0, 0, 1, 0, 0, scratch);
        gemm(ds, 4, bytes, q, stride, 4, dKeys + at, side, n, size, rows, dKeys + at, side, 1, 0, 0, scratch);
        gemm(p, 4, bytes, dy, stride, 4, dValues + at, side, n, size, rows, dValues + at, side, 1, 0, 0, scratch);
      }
      spread(dk, stride, text, from, last, dKeys, side);
      spread(dv, stride, text, from, last, dValues, side);
      r = next;
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
