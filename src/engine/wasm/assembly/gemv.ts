// The product for one row, a token at a time: nothing is packed, and the sums are those of gemm.ts.

import { madd } from './math';

/** Where four columns begin: with what lies at `from`, or with 0. */
@inline
function beginning(from: usize, at: usize): v128 {
  return from ? v128.load(from + at) : f32x4.splat(0);
}

@inline
function finish(c: usize, at: usize, v: v128, scale: v128, add: usize): void {
  v = f32x4.mul(v, scale);
  v128.store(c + at, add ? f32x4.add(v, v128.load(add + at)) : v);
}

/** Elements of four lines of b, `bns` bytes apart. */
@inline
function across4(b: usize, bns: usize): v128 {
  let v = v128.load32_zero(b);
  v = v128.load_lane<f32>(b + bns, v, 1);
  v = v128.load_lane<f32>(b + 2 * bns, v, 2);
  return v128.load_lane<f32>(b + 3 * bns, v, 3);
}

/** acc + Σ a·b over four k for four columns, whose lines of b are bns bytes apart. */
@inline
function advance4(acc: v128, a: usize, b: usize, bns: usize): v128 {
  const b2 = b + 2 * bns;
  const r0 = v128.load(b);
  const r1 = v128.load(b + bns);
  const r2 = v128.load(b2);
  const r3 = v128.load(b2 + bns);
  const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const t1 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const t2 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  acc = madd(acc, v128.load_splat<f32>(a), v128.shuffle<i64>(t0, t1, 0, 2));
  acc = madd(acc, v128.load_splat<f32>(a, 4), v128.shuffle<i64>(t0, t1, 1, 3));
  acc = madd(acc, v128.load_splat<f32>(a, 8), v128.shuffle<i64>(t2, t3, 0, 2));
  return madd(acc, v128.load_splat<f32>(a, 12), v128.shuffle<i64>(t2, t3, 1, 3));
}

/** c [n] = scale·(from + a·b) + add; the lines of b are its columns, contiguous and bns bytes apart. */
export function oneRow(
  a: usize, b: usize, bns: usize, c: usize, n: usize, k: usize, from: usize, scale: f32, add: usize,
): void {
  const scales = f32x4.splat(scale);
  let j: usize = 0;
  // Sixteen columns at a time: each waits for its own last sum, so that few would leave the processor idle.
  for (; j + 16 <= n; j += 16) {
    const at = j << 2;
    let v0 = beginning(from, at), v1 = beginning(from, at + 16), v2 = beginning(from, at + 32), v3 = beginning(from, at + 48);
    let x = a;
    let line = b + j * bns;
    const four = bns << 2;
    let p: usize = 0;
    for (; p + 4 <= k; p += 4, x += 16, line += 16) {
      v0 = advance4(v0, x, line, bns);
      v1 = advance4(v1, x, line + four, bns);
      v2 = advance4(v2, x, line + 2 * four, bns);
      v3 = advance4(v3, x, line + 3 * four, bns);
    }
    for (; p < k; p++, x += 4, line += 4) {
      const factor = v128.load_splat<f32>(x);
      v0 = madd(v0, factor, across4(line, bns));
      v1 = madd(v1, factor, across4(line + four, bns));
      v2 = madd(v2, factor, across4(line + 2 * four, bns));
      v3 = madd(v3, factor, across4(line + 3 * four, bns));
    }
    finish(c, at, v0, scales, add);
    finish(c, at + 16, v1, scales, add);
    finish(c, at + 32, v2, scales, add);
    finish(c, at + 48, v3, scales, add);
  }
  for (; j + 4 <= n; j += 4) {
    const at = j << 2;
    let v = beginning(from, at);
    let x = a;
    let line = b + j * bns;
    let p: usize = 0;
    for (; p + 4 <= k; p += 4, x += 16, line += 16) v = advance4(v, x, line, bns);
    for (; p < k; p++, x += 4, line += 4) v = madd(v, v128.load_splat<f32>(x), across4(line, bns));
    finish(c, at, v, scales, add);
  }
  for (; j < n; j++) rest(a, b + j * bns, 4, c, j << 2, k, from, scale, add);
}

/** The same where the lines of b are its rows, contiguous and bks bytes apart. */
export function oneRowAcross(
  a: usize, b: usize, bks: usize, c: usize, n: usize, k: usize, from: usize, scale: f32, add: usize,
): void {
  const scales = f32x4.splat(scale);
  let j: usize = 0;
  for (; j + 32 <= n; j += 32) {
    const at = j << 2;
    let v0 = beginning(from, at), v1 = beginning(from, at + 16), v2 = beginning(from, at + 32), v3 = beginning(from, at + 48);
    let v4 = beginning(from, at + 64), v5 = beginning(from, at + 80), v6 = beginning(from, at + 96), v7 = beginning(from, at + 112);
    for (let p: usize = 0, line = b + at; p < k; p++, line += bks) {
      const x = v128.load_splat<f32>(a + (p << 2));
      v0 = madd(v0, x, v128.load(line));
      v1 = madd(v1, x, v128.load(line, 16));
      v2 = madd(v2, x, v128.load(line, 32));
      v3 = madd(v3, x, v128.load(line, 48));
      v4 = madd(v4, x, v128.load(line, 64));
      v5 = madd(v5, x, v128.load(line, 80));
      v6 = madd(v6, x, v128.load(line, 96));
      v7 = madd(v7, x, v128.load(line, 112));
    }
    finish(c, at, v0, scales, add);
    finish(c, at + 16, v1, scales, add);
    finish(c, at + 32, v2, scales, add);
    finish(c, at + 48, v3, scales, add);
    finish(c, at + 64, v4, scales, add);
    finish(c, at + 80, v5, scales, add);
    finish(c, at + 96, v6, scales, add);
    finish(c, at + 112, v7, scales, add);
  }
  for (; j + 4 <= n; j += 4) {
    const at = j << 2;
    let v = beginning(from, at);
    for (let p: usize = 0, line = b + at; p < k; p++, line += bks) {
      v = madd(v, v128.load_splat<f32>(a + (p << 2)), v128.load(line));
    }
    finish(c, at, v, scales, add);
  }
  for (; j < n; j++) rest(a, b + (j << 2), bks, c, j << 2, k, from, scale, add);
}

/** One column, whose elements in b are `step` bytes apart. */
function rest(
  a: usize, b: usize, step: usize, c: usize, at: usize, k: usize, from: usize, scale: f32, add: usize,
): void {
  let v = from ? v128.load32_zero(from + at) : f32x4.splat(0);
  for (let p: usize = 0; p < k; p++, b += step) v = madd(v, v128.load32_zero(a + (p << 2)), v128.load32_zero(b));
  const sum = f32x4.extract_lane(v, 0) * scale;
  store<f32>(c + at, add ? sum + load<f32>(add + at) : sum);
}
