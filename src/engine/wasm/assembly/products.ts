// Sums of matrix products with what stands beside them (bias, residual, GELU and its slope), many in one job.

import { unpack } from './dequantize';
import { gelu4, geluGrad4 } from './elementwise';
import { GEMM_SCRATCH, gemm } from './gemm';
import { Packed } from './kernels';

/** A product among the integers: this many, then as many for each of its terms. */
const HEADER: usize = 13 << 2;
const TERM: usize = 5 << 2;
/** Bits of a term's `how`; above them what b is packed as. */
const TRANSPOSE_A: usize = 1;
const TRANSPOSE_B: usize = 2;

/** Of a packed b, unpacked at a time: depth, and columns (few where few rows read them, to stay near). */
const DEPTH: usize = 256;
const COLUMNS: usize = 64;
const FEW_COLUMNS: usize = 16;
const FEW_ROWS: usize = 64;
export const PRODUCT_SCRATCH: usize = GEMM_SCRATCH + DEPTH * COLUMNS * 4 + 64;

@inline
function word(at: usize, index: usize): usize {
  return load<usize>(at + (index << 2));
}

/**
 * Units are tiles of the products, in their order. Integers, product by product: c, GELU of c, bias (each 0 for none),
 * add, elements between add's rows, slope, scale (a float32), m, n, rows and columns of a tile, number of the first unit
 * that is not its own, terms; of each term a, b, k, how, scales of b.
 */
export function products(args: usize, begin: usize, end: usize, scratch: usize): void {
  for (let unit = begin; unit < end; unit++) {
    let product = args + 64;
    let before: usize = 0;
    while (unit >= word(product, 11)) {
      before = word(product, 11);
      product += HEADER + word(product, 12) * TERM;
    }
    tile(product, unit - before, scratch);
  }
}

function tile(product: usize, unit: usize, scratch: usize): void {
  const m = word(product, 7);
  const n = word(product, 8);
  const unitRows = word(product, 9);
  const unitCols = word(product, 10);
  const across = (m + unitRows - 1) / unitRows;
  const row = (unit % across) * unitRows;
  const col = (unit / across) * unitCols;
  const rows = min(unitRows, m - row);
  const cols = min(unitCols, n - col);
  const ldc = n << 2;
  const at = row * ldc + (col << 2);
  const c = word(product, 0) + at;
  const terms = word(product, 12);
  const addStride = word(product, 4) << 2;
  let from: usize = word(product, 2);
  if (from) from += col << 2;
  let fromStride: usize = 0;
  for (let t: usize = 0; t < terms; t++) {
    const term = product + HEADER + t * TERM;
    const last = t + 1 == terms;
    const scale = last ? load<f32>(product, 6 << 2) : 1;
    const add = last && word(product, 3) ? word(product, 3) + row * addStride + (col << 2) : 0;
    const k = word(term, 2);
    const how = word(term, 3);
    const ars: usize = how & TRANSPOSE_A ? 4 : k << 2;
    const aks: usize = how & TRANSPOSE_A ? m << 2 : 4;
    const a = word(term, 0) + row * ars;
    if (how >> 2 == Packed.Not) {
      const bks: usize = how & TRANSPOSE_B ? 4 : ldc;
      const bns: usize = how & TRANSPOSE_B ? k << 2 : 4;
      gemm(a, ars, aks, word(term, 1) + col * bns, bks, bns, c, ldc, rows, cols, k, from, fromStride, scale, add, addStride, scratch);
    } else {
      const step = rows < FEW_ROWS ? FEW_COLUMNS : COLUMNS;
      for (let j: usize = 0; j < cols; j += step) {
        const over = j << 2;
        packedTerm(
          term, a, ars, aks, c + over, n, rows, col + j, min(step, cols - j),
          from ? from + over : 0, fromStride, scale, add ? add + over : 0, addStride, scratch,
        );
      }
    }
    from = c;
    fromStride = ldc;
  }
  const slope = word(product, 5);
  if (slope) for (let r: usize = 0; r < rows; r++) multiply(c + r * ldc, slope + at + r * ldc, cols);
  const gelu = word(product, 1);
  if (gelu) for (let r: usize = 0; r < rows; r++) activate(gelu + at + r * ldc, c + r * ldc, cols);
}

/** Columns col … col + cols − 1 of a term whose b is packed; c and from lie at the first of them. */
function packedTerm(
  term: usize, a: usize, ars: usize, aks: usize, c: usize, n: usize, rows: usize, col: usize, cols: usize,
  from: usize, fromStride: usize, scale: f32, add: usize, addStride: usize, scratch: usize,
): void {
  const b = word(term, 1);
  const k = word(term, 2);
  const how = word(term, 3);
  const scales = word(term, 4);
  const lines = scratch + GEMM_SCRATCH;
  const spare = lines + DEPTH * COLUMNS * 4;
  for (let k0: usize = 0; k0 < k; k0 += DEPTH) {
    const kc = min(DEPTH, k - k0);
    const last = k0 + kc == k;
    const transposed = how & TRANSPOSE_B;
    if (transposed) {
      for (let j: usize = 0, i = col * k + k0; j < cols; j++, i += k) {
        unpack(lines + j * (kc << 2), b, scales, how >> 2, i, i + kc, spare);
      }
    } else {
      for (let p: usize = 0, i = k0 * n + col; p < kc; p++, i += n) {
        unpack(lines + p * (cols << 2), b, scales, how >> 2, i, i + cols, spare);
      }
    }
    gemm(
      a + k0 * aks, ars, aks, lines, transposed ? 4 : cols << 2, transposed ? kc << 2 : 4, c, n << 2,
      rows, cols, kc, k0 ? c : from, k0 ? n << 2 : fromStride, last ? scale : 1, last ? add : 0, addStride, scratch,
    );
  }
}

/** to = GELU of n numbers. */
function activate(to: usize, x: usize, n: usize): void {
  let i: usize = 0;
  for (; i + 8 <= n; i += 8, x += 32, to += 32) {
    const y0 = gelu4(v128.load(x));
    const y1 = gelu4(v128.load(x, 16));
    v128.store(to, y0);
    v128.store(to, y1, 16);
  }
  for (; i < n; i++, x += 4, to += 4) store<f32>(to, f32x4.extract_lane(gelu4(v128.load_splat<f32>(x)), 0));
}

/** dy of n numbers times GELU's slope at x, in place. */
function multiply(dy: usize, x: usize, n: usize): void {
  let i: usize = 0;
  for (; i + 8 <= n; i += 8, x += 32, dy += 32) {
    const d0 = geluGrad4(v128.load(x), v128.load(dy));
    const d1 = geluGrad4(v128.load(x, 16), v128.load(dy, 16));
    v128.store(dy, d0);
    v128.store(dy, d1, 16);
  }
  for (; i < n; i++, x += 4, dy += 4) {
    store<f32>(dy, f32x4.extract_lane(geluGrad4(v128.load_splat<f32>(x), v128.load_splat<f32>(dy)), 0));
  }
}
