// The register blocks that a matrix product is made of: six rows by eight columns whose sums stay in registers over a
// stretch of k, so that both of a core's multiply-adders are busy, and fewer rows for what is left over.

import { madd } from './math';

/** Rows of a whole block. */
export const ROWS: usize = 6;

/** A whole sum to its place: scale · sum + add, where add = 0 is none. */
@inline
function finish(c: usize, v: v128, scale: v128, add: usize): void {
  v = f32x4.mul(v, scale);
  if (add) v = f32x4.add(v, v128.load(add));
  v128.store(c, v);
}

/**
 * A 6 × 8 block: c = scale·(from + Σ a·b) + add over k. `b` is a panel; a's rows are ars bytes apart, a row's elements
 * aks. from = 0 is none.
 */
function block6(
  a: usize, ars: usize, aks: usize, b: usize, c: usize, ldc: usize, k: usize,
  from: usize, fromStride: usize, scale: v128, add: usize, addStride: usize,
): void {
  let a1 = a + ars;
  let a2 = a1 + ars;
  let a3 = a2 + ars;
  let a4 = a3 + ars;
  let a5 = a4 + ars;
  let v00 = f32x4.splat(0), v01 = v00, v10 = v00, v11 = v00, v20 = v00, v21 = v00;
  let v30 = v00, v31 = v00, v40 = v00, v41 = v00, v50 = v00, v51 = v00;
  if (from) {
    v00 = v128.load(from);
    v01 = v128.load(from, 16);
    from += fromStride;
    v10 = v128.load(from);
    v11 = v128.load(from, 16);
    from += fromStride;
    v20 = v128.load(from);
    v21 = v128.load(from, 16);
    from += fromStride;
    v30 = v128.load(from);
    v31 = v128.load(from, 16);
    from += fromStride;
    v40 = v128.load(from);
    v41 = v128.load(from, 16);
    from += fromStride;
    v50 = v128.load(from);
    v51 = v128.load(from, 16);
  }
  const end = b + (k << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const x0 = v128.load_splat<f32>(a);
    v00 = madd(v00, x0, b0);
    v01 = madd(v01, x0, b1);
    const x1 = v128.load_splat<f32>(a1);
    v10 = madd(v10, x1, b0);
    v11 = madd(v11, x1, b1);
    const x2 = v128.load_splat<f32>(a2);
    v20 = madd(v20, x2, b0);
    v21 = madd(v21, x2, b1);
    const x3 = v128.load_splat<f32>(a3);
    v30 = madd(v30, x3, b0);
    v31 = madd(v31, x3, b1);
    const x4 = v128.load_splat<f32>(a4);
    v40 = madd(v40, x4, b0);
    v41 = madd(v41, x4, b1);
    const x5 = v128.load_splat<f32>(a5);
    v50 = madd(v50, x5, b0);
    v51 = madd(v51, x5, b1);
    a += aks;
    a1 += aks;
    a2 += aks;
    a3 += aks;
    a4 += aks;
    a5 += aks;
    b += 32;
  }
  const next = add ? 16 : 0;
  finish(c, v00, scale, add);
  finish(c + 16, v01, scale, add + next);
  c += ldc;
  add += addStride;
  finish(c, v10, scale, add);
  finish(c + 16, v11, scale, add + next);
  c += ldc;
  add += addStride;
  finish(c, v20, scale, add);
  finish(c + 16, v21, scale, add + next);
  c += ldc;
  add += addStride;
  finish(c, v30, scale, add);
  finish(c + 16, v31, scale, add + next);
  c += ldc;
  add += addStride;
  finish(c, v40, scale, add);
  finish(c + 16, v41, scale, add + next);
  c += ldc;
  add += addStride;
  finish(c, v50, scale, add);
  finish(c + 16, v51, scale, add + next);
}

/** The same for four rows. */
function block4(
  a: usize, ars: usize, aks: usize, b: usize, c: usize, ldc: usize, k: usize,
  from: usize, fromStride: usize, scale: v128, add: usize, addStride: usize,
): void {
  let a1 = a + ars;
  let a2 = a1 + ars;
  let a3 = a2 + ars;
  let v00 = f32x4.splat(0), v01 = v00, v10 = v00, v11 = v00, v20 = v00, v21 = v00, v30 = v00, v31 = v00;
  if (from) {
    v00 = v128.load(from);
    v01 = v128.load(from, 16);
    from += fromStride;
    v10 = v128.load(from);
    v11 = v128.load(from, 16);
    from += fromStride;
    v20 = v128.load(from);
    v21 = v128.load(from, 16);
    from += fromStride;
    v30 = v128.load(from);
    v31 = v128.load(from, 16);
  }
  const end = b + (k << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const x0 = v128.load_splat<f32>(a);
    v00 = madd(v00, x0, b0);
    v01 = madd(v01, x0, b1);
    const x1 = v128.load_splat<f32>(a1);
    v10 = madd(v10, x1, b0);
    v11 = madd(v11, x1, b1);
    const x2 = v128.load_splat<f32>(a2);
    v20 = madd(v20, x2, b0);
    v21 = madd(v21, x2, b1);
    const x3 = v128.load_splat<f32>(a3);
    v30 = madd(v30, x3, b0);
    v31 = madd(v31, x3, b1);
    a += aks;
    a1 += aks;
    a2 += aks;
    a3 += aks;
    b += 32;
  }
  const next = add ? 16 : 0;
  finish(c, v00, scale, add);
  finish(c + 16, v01, scale, add + next);
  c += ldc;
  add += addStride;
  finish(c, v10, scale, add);
  finish(c + 16, v11, scale, add + next);
  c += ldc;
  add += addStride;
  finish(c, v20, scale, add);
  finish(c + 16, v21, scale, add + next);
  c += ldc;
  add += addStride;
  finish(c, v30, scale, add);
  finish(c + 16, v31, scale, add + next);
}

/** The same for two rows. */
function block2(
  a: usize, ars: usize, aks: usize, b: usize, c: usize, ldc: usize, k: usize,
  from: usize, fromStride: usize, scale: v128, add: usize, addStride: usize,
): void {
  let a1 = a + ars;
  let v00 = f32x4.splat(0), v01 = v00, v10 = v00, v11 = v00;
  if (from) {
    v00 = v128.load(from);
    v01 = v128.load(from, 16);
    v10 = v128.load(from + fromStride);
    v11 = v128.load(from + fromStride, 16);
  }
  const end = b + (k << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const x0 = v128.load_splat<f32>(a);
    v00 = madd(v00, x0, b0);
    v01 = madd(v01, x0, b1);
    const x1 = v128.load_splat<f32>(a1);
    v10 = madd(v10, x1, b0);
    v11 = madd(v11, x1, b1);
    a += aks;
    a1 += aks;
    b += 32;
  }
  const next = add ? 16 : 0;
  finish(c, v00, scale, add);
  finish(c + 16, v01, scale, add + next);
  add += addStride;
  finish(c + ldc, v10, scale, add);
  finish(c + ldc + 16, v11, scale, add + next);
}

/** The same for one row. */
function block1(a: usize, aks: usize, b: usize, c: usize, k: usize, from: usize, scale: v128, add: usize): void {
  let v0 = from ? v128.load(from) : f32x4.splat(0);
  let v1 = from ? v128.load(from, 16) : f32x4.splat(0);
  const end = b + (k << 5);
  while (b < end) {
    const x = v128.load_splat<f32>(a);
    v0 = madd(v0, x, v128.load(b));
    v1 = madd(v1, x, v128.load(b, 16));
    a += aks;
    b += 32;
  }
  finish(c, v0, scale, add);
  finish(c + 16, v1, scale, add ? add + 16 : 0);
}

/** `rows` (1 … 6) rows of a block. */
export function block(
  rows: usize, a: usize, ars: usize, aks: usize, b: usize, c: usize, ldc: usize, k: usize,
  from: usize, fromStride: usize, scale: v128, add: usize, addStride: usize,
): void {
  if (rows == ROWS) return block6(a, ars, aks, b, c, ldc, k, from, fromStride, scale, add, addStride);
  if (rows & 4) {
    block4(a, ars, aks, b, c, ldc, k, from, fromStride, scale, add, addStride);
    a += 4 * ars;
    c += 4 * ldc;
    if (from) from += 4 * fromStride;
    if (add) add += 4 * addStride;
  }
  if (rows & 2) {
    block2(a, ars, aks, b, c, ldc, k, from, fromStride, scale, add, addStride);
    a += 2 * ars;
    c += 2 * ldc;
    if (from) from += 2 * fromStride;
    if (add) add += 2 * addStride;
  }
  if (rows & 1) block1(a, aks, b, c, k, from, scale, add);
}
