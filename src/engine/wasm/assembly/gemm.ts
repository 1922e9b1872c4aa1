// Matrix product in 4 × 8 register blocks over packed panels (Goto & van de Geijn 2008). Packing makes all four
// transpositions the same product. Every output element is summed in the order k = 0, 1, 2 … by itself, so it does
// not depend on the block it falls in, on the split among threads, or on how many rows share the call.

import { integer, number } from './args';
import { madd } from './math';

/** Depth, rows and columns packed at a time: 8 KiB panels for L1, 128 and 256 KiB blocks for L2. */
const KC: usize = 256;
const MC: usize = 128;
const NC: usize = 256;

const A_PACK: usize = NC * KC * 4;
const TILE: usize = A_PACK + MC * KC * 4;
/** Bytes of scratch that gemm uses; other kernels put theirs after it. */
export const GEMM_SCRATCH: usize = TILE + 128;

/** Stores the columns of four rows of four, `dstStride` bytes apart. */
@inline
function transpose4(dst: usize, dstStride: usize, r0: v128, r1: v128, r2: v128, r3: v128): void {
  const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const t1 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const t2 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<i64>(t0, t1, 0, 2));
  v128.store(dst + dstStride, v128.shuffle<i64>(t0, t1, 1, 3));
  v128.store(dst + 2 * dstStride, v128.shuffle<i64>(t2, t3, 0, 2));
  v128.store(dst + 3 * dstStride, v128.shuffle<i64>(t2, t3, 1, 3));
}

/** Four lines of `count` contiguous elements, `stride` bytes apart, to dst[i][0 … 3] with `width` bytes for each i. */
function packLines(dst: usize, width: usize, src: usize, stride: usize, count: usize): void {
  const s1 = src + stride;
  const s2 = s1 + stride;
  const s3 = s2 + stride;
  let i: usize = 0;
  for (; i + 4 <= count; i += 4) {
    const at = i << 2;
    transpose4(dst, width, v128.load(src + at), v128.load(s1 + at), v128.load(s2 + at), v128.load(s3 + at));
    dst += width << 2;
  }
  for (; i < count; i++) {
    const at = i << 2;
    store<f32>(dst, load<f32>(src + at));
    store<f32>(dst, load<f32>(s1 + at), 4);
    store<f32>(dst, load<f32>(s2 + at), 8);
    store<f32>(dst, load<f32>(s3 + at), 12);
    dst += width;
  }
}

/** k rows of a cache line each, `stride` bytes apart, to four columns of vectors, of which the first is at dst. */
@inline
function packLine(
  dst: usize, width: usize, second: usize, third: usize, fourth: usize, src: usize, stride: usize, k: usize,
): void {
  for (let i: usize = 0; i < k; i++, src += stride, dst += width) {
    v128.store(dst, v128.load(src));
    v128.store(dst + second, v128.load(src, 16));
    v128.store(dst + third, v128.load(src, 32));
    v128.store(dst + fourth, v128.load(src, 48));
  }
}

/** b [k, n] with any strides to panels of [k, 8], the last one padded with zeros. */
function packB(dst: usize, b: usize, bks: usize, bns: usize, k: usize, n: usize): void {
  const panel = k << 5;
  for (let j: usize = 0; j < n; j += 8, dst += panel) {
    const src = b + j * bns;
    if (j + 16 <= n && bns == 4) {
      packLine(dst, 32, 16, panel, panel + 16, src, bks, k);
      j += 8;
      dst += panel;
    } else if (j + 8 <= n && bns == 4) {
      for (let i: usize = 0, s = src, d = dst; i < k; i++, s += bks, d += 32) {
        v128.store(d, v128.load(s));
        v128.store(d, v128.load(s, 16), 16);
      }
    } else if (j + 8 <= n && bks == 4) {
      packLines(dst, 32, src, bns, k);
      packLines(dst + 16, 32, src + 4 * bns, bns, k);
    } else {
      const cols = min<usize>(8, n - j);
      for (let i: usize = 0; i < k; i++) {
        for (let c: usize = 0; c < 8; c++) {
          store<f32>(dst + (i << 5) + (c << 2), c < cols ? load<f32>(src + i * bks + c * bns) : 0);
        }
      }
    }
  }
}

/** Whole tiles of four rows of a [m, k] to [k, 4]. */
function packA(dst: usize, a: usize, ars: usize, aks: usize, tiles: usize, k: usize): void {
  const tile = k << 4;
  for (let t: usize = 0; t < tiles; t++, a += 4 * ars, dst += tile) {
    if (aks == 4) packLines(dst, 16, a, ars, k);
    else if (ars == 4 && t + 4 <= tiles) {
      packLine(dst, 16, tile, 2 * tile, 3 * tile, a, aks, k);
      t += 3;
      a += 3 * 4 * ars;
      dst += 3 * tile;
    } else if (ars == 4) for (let i: usize = 0, s = a, d = dst; i < k; i++, s += aks, d += 16) v128.store(d, v128.load(s));
    else {
      for (let i: usize = 0; i < k; i++) {
        for (let r: usize = 0; r < 4; r++) store<f32>(dst + (i << 4) + (r << 2), load<f32>(a + r * ars + i * aks));
      }
    }
  }
}

@inline
function finish(c: usize, v: v128, last: bool, scale: v128, add: usize): void {
  if (last) {
    v = f32x4.mul(v, scale);
    if (add) v = f32x4.add(v, v128.load(add));
  }
  v128.store(c, v);
}

/** A 4 × 8 block: c (+)= Σ a·b over k; on the last depth block scale·c + add. `a` is a packed tile, b a panel. */
function block4(
  a: usize, b: usize, c: usize, ldc: usize, k: usize,
  resume: bool, last: bool, scale: v128, add: usize, addStride: usize,
): void {
  const c1 = c + ldc;
  const c2 = c1 + ldc;
  const c3 = c2 + ldc;
  let v00 = f32x4.splat(0), v01 = v00, v10 = v00, v11 = v00, v20 = v00, v21 = v00, v30 = v00, v31 = v00;
  if (resume) {
    v00 = v128.load(c);
    v01 = v128.load(c, 16);
    v10 = v128.load(c1);
    v11 = v128.load(c1, 16);
    v20 = v128.load(c2);
    v21 = v128.load(c2, 16);
    v30 = v128.load(c3);
    v31 = v128.load(c3, 16);
  }
  const end = b + (k << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load_splat<f32>(a);
    v00 = madd(v00, a0, b0);
    v01 = madd(v01, a0, b1);
    const a1 = v128.load_splat<f32>(a, 4);
    v10 = madd(v10, a1, b0);
    v11 = madd(v11, a1, b1);
    const a2 = v128.load_splat<f32>(a, 8);
    v20 = madd(v20, a2, b0);
    v21 = madd(v21, a2, b1);
    const a3 = v128.load_splat<f32>(a, 12);
    v30 = madd(v30, a3, b0);
    v31 = madd(v31, a3, b1);
    a += 16;
    b += 32;
  }
  const next = add ? 16 : 0;
  finish(c, v00, last, scale, add);
  finish(c + 16, v01, last, scale, add + next);
  add += addStride;
  finish(c1, v10, last, scale, add);
  finish(c1 + 16, v11, last, scale, add + next);
  add += addStride;
  finish(c2, v20, last, scale, add);
  finish(c2 + 16, v21, last, scale, add + next);
  add += addStride;
  finish(c3, v30, last, scale, add);
  finish(c3 + 16, v31, last, scale, add + next);
}

/** One row of 8; `a` is not packed, its elements are aks bytes apart. */
function block1(
  a: usize, aks: usize, b: usize, c: usize, k: usize, resume: bool, last: bool, scale: v128, add: usize,
): void {
  let v0 = resume ? v128.load(c) : f32x4.splat(0);
  let v1 = resume ? v128.load(c, 16) : f32x4.splat(0);
  const end = b + (k << 5);
  while (b < end) {
    const x = v128.load_splat<f32>(a);
    v0 = madd(v0, x, v128.load(b));
    v1 = madd(v1, x, v128.load(b, 16));
    a += aks;
    b += 32;
  }
  finish(c, v0, last, scale, add);
  finish(c + 16, v1, last, scale, add ? add + 16 : 0);
}

/** An incomplete panel is summed in a complete tile; this brings what c holds there, narrowOut brings it back. */
function narrowIn(tile: usize, c: usize, ldc: usize, rows: usize, cols: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    for (let j: usize = 0; j < cols; j++) store<f32>(tile + (r << 5) + (j << 2), load<f32>(c + r * ldc + (j << 2)));
  }
}

function narrowOut(
  tile: usize, c: usize, ldc: usize, rows: usize, cols: usize, last: bool, scale: f32, add: usize, addStride: usize,
): void {
  for (let r: usize = 0; r < rows; r++) {
    for (let j: usize = 0; j < cols; j++) {
      let v = load<f32>(tile + (r << 5) + (j << 2));
      if (last) {
        v *= scale;
        if (add) v += load<f32>(add + r * addStride + (j << 2));
      }
      store<f32>(c + r * ldc + (j << 2), v);
    }
  }
}

/** Elements `at` of four lines of b. */
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
  const r0 = v128.load(b);
  const r1 = v128.load(b + bns);
  const r2 = v128.load(b + 2 * bns);
  const r3 = v128.load(b + 3 * bns);
  const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const t1 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const t2 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  acc = madd(acc, v128.load_splat<f32>(a), v128.shuffle<i64>(t0, t1, 0, 2));
  acc = madd(acc, v128.load_splat<f32>(a, 4), v128.shuffle<i64>(t0, t1, 1, 3));
  acc = madd(acc, v128.load_splat<f32>(a, 8), v128.shuffle<i64>(t2, t3, 0, 2));
  return madd(acc, v128.load_splat<f32>(a, 12), v128.shuffle<i64>(t2, t3, 1, 3));
}

/** The product for one row and b with contiguous columns (a token at a time): no packing, the same sums. */
function oneRow(a: usize, b: usize, bns: usize, c: usize, n: usize, k: usize, scale: f32, add: usize): void {
  const scales = f32x4.splat(scale);
  let j: usize = 0;
  for (; j + 8 <= n; j += 8) {
    let left = b + j * bns;
    let right = left + 4 * bns;
    let v0 = f32x4.splat(0), v1 = v0;
    let p: usize = 0;
    let at = a;
    for (; p + 4 <= k; p += 4, at += 16, left += 16, right += 16) {
      v0 = advance4(v0, at, left, bns);
      v1 = advance4(v1, at, right, bns);
    }
    for (; p < k; p++, at += 4, left += 4, right += 4) {
      const x = v128.load_splat<f32>(at);
      v0 = madd(v0, x, across4(left, bns));
      v1 = madd(v1, x, across4(right, bns));
    }
    const here = j << 2;
    finish(c + here, v0, true, scales, add ? add + here : 0);
    finish(c + here + 16, v1, true, scales, add ? add + here + 16 : 0);
  }
  for (; j < n; j++) {
    let v = f32x4.splat(0);
    for (let p: usize = 0; p < k; p++) v = madd(v, v128.load32_zero(a + (p << 2)), v128.load32_zero(b + j * bns + (p << 2)));
    const sum = f32x4.extract_lane(v, 0) * scale;
    store<f32>(c + (j << 2), add ? sum + load<f32>(add + (j << 2)) : sum);
  }
}

/**
 * c [m, n] = scale · a·b + add. All strides in bytes: a(i, p) at a + i·ars + p·aks, b(p, j) at b + p·bks + j·bns, c
 * and add have contiguous columns, add's rows are addStride apart (0 = one row for all), add = 0 is none. With
 * `onto` the sum begins with what c holds.
 */
export function gemm(
  a: usize, ars: usize, aks: usize, b: usize, bks: usize, bns: usize, c: usize, ldc: usize,
  m: usize, n: usize, k: usize, scale: f32, add: usize, addStride: usize, onto: bool, scratch: usize,
): void {
  if (m == 1 && aks == 4 && bks == 4 && !onto) return oneRow(a, b, bns, c, n, k, scale, add);
  const scales = f32x4.splat(scale);
  const aPack = scratch + A_PACK;
  const tile = scratch + TILE;
  for (let n0: usize = 0; n0 < n; n0 += NC) {
    const nc = min(NC, n - n0);
    for (let k0: usize = 0; k0 < k; k0 += KC) {
      const kc = min(KC, k - k0);
      const resume = onto || k0 > 0;
      const last = k0 + kc == k;
      packB(scratch, b + k0 * bks + n0 * bns, bks, bns, kc, nc);
      for (let m0: usize = 0; m0 < m; m0 += MC) {
        const mc = min(MC, m - m0);
        const tiles = mc >> 2;
        const aBlock = a + m0 * ars + k0 * aks;
        packA(aPack, aBlock, ars, aks, tiles, kc);
        for (let j: usize = 0; j < nc; j += 8) {
          const panel = scratch + ((j * kc) << 2);
          const cols = min<usize>(8, nc - j);
          const cBlock = c + m0 * ldc + ((n0 + j) << 2);
          const adds = add ? add + m0 * addStride + ((n0 + j) << 2) : 0;
          for (let t: usize = 0; t < tiles; t++) {
            const at = aPack + t * (kc << 4);
            const to = cBlock + 4 * t * ldc;
            const plus = add ? adds + 4 * t * addStride : 0;
            if (cols == 8) block4(at, panel, to, ldc, kc, resume, last, scales, plus, addStride);
            else {
              if (resume) narrowIn(tile, to, ldc, 4, cols);
              block4(at, panel, tile, 32, kc, resume, false, scales, 0, 0);
              narrowOut(tile, to, ldc, 4, cols, last, scale, plus, addStride);
            }
          }
          for (let r = tiles << 2; r < mc; r++) {
            const at = aBlock + r * ars;
            const to = cBlock + r * ldc;
            const plus = add ? adds + r * addStride : 0;
            if (cols == 8) block1(at, aks, panel, to, kc, resume, last, scales, plus);
            else {
              if (resume) narrowIn(tile, to, ldc, 1, cols);
              block1(at, aks, panel, tile, kc, resume, false, scales, 0);
              narrowOut(tile, to, ldc, 1, cols, last, scale, plus, addStride);
            }
          }
        }
      }
    }
  }
}

/**
 * The product split into units of unitRows × unitCols, rows first. Floats: scale. Integers: a, b, c, add (0 = none),
 * m, n, k, transposeA, transposeB, elements between add's rows, unitRows, unitCols.
 */
export function matMul(args: usize, begin: usize, end: usize, scratch: usize): void {
  const scale = <f32>number(args, 0);
  const a = integer(args, 0);
  const b = integer(args, 1);
  const c = integer(args, 2);
  const add = integer(args, 3);
  const m = integer(args, 4);
  const n = integer(args, 5);
  const k = integer(args, 6);
  const ars: usize = integer(args, 7) ? 4 : k << 2;
  const aks: usize = integer(args, 7) ? m << 2 : 4;
  const bks: usize = integer(args, 8) ? 4 : n << 2;
  const bns: usize = integer(args, 8) ? k << 2 : 4;
  const addStride = integer(args, 9) << 2;
  const unitRows = integer(args, 10);
  const unitCols = integer(args, 11);
  const across = (m + unitRows - 1) / unitRows;
  for (let unit = begin; unit < end; unit++) {
    const row = (unit % across) * unitRows;
    const col = (unit / across) * unitCols;
    const plus = add ? add + row * addStride + (col << 2) : 0;
    gemm(
      a + row * ars, ars, aks, b + col * bns, bks, bns, c + ((row * n + col) << 2), n << 2,
      min(unitRows, m - row), min(unitCols, n - col), k, scale, plus, addStride, false, scratch,
    );
  }
}
