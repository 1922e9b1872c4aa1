// Matrix product in 6 × 8 register blocks (Goto & van de Geijn 2008). b is packed into panels, a only where its rows are
// not contiguous; so all four transpositions are the same product. Every output element is summed in the order k = 0, 1,
// 2 … by itself, so it does not depend on the block it falls in, on the split among threads, or on how many rows share
// the call.

import { block, ROWS } from './blocks';
import { oneRow, oneRowAcross } from './gemv';

/** Depth, rows and columns packed at a time: 8 KiB panels for L1, 132 and 256 KiB blocks for L2. */
const KC: usize = 256;
const MC: usize = 132;
const NC: usize = 256;

const A_PACK: usize = NC * KC * 4;
const TILE: usize = A_PACK + MC * KC * 4;
/** Bytes of scratch that gemm uses; other kernels put theirs after it. */
export const GEMM_SCRATCH: usize = TILE + ROWS * 32;

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

/** Up to 16 columns of b, with any strides, to two panels [k, 8], padded with zeros: a cache line of its rows. */
function packPanels(dst: usize, b: usize, bks: usize, bns: usize, k: usize, cols: usize): void {
  const second = dst + (k << 5);
  if (cols == 16 && bns == 4) {
    for (let i: usize = 0, at = second; i < k; i++, b += bks, dst += 32, at += 32) {
      v128.store(dst, v128.load(b));
      v128.store(dst, v128.load(b, 16), 16);
      v128.store(at, v128.load(b, 32));
      v128.store(at, v128.load(b, 48), 16);
    }
    return;
  }
  packPanel(dst, b, bks, bns, k, min<usize>(8, cols));
  if (cols > 8) packPanel(second, b + 8 * bns, bks, bns, k, cols - 8);
}

function packPanel(dst: usize, b: usize, bks: usize, bns: usize, k: usize, cols: usize): void {
  if (cols == 8 && bns == 4) {
    for (let i: usize = 0; i < k; i++, b += bks, dst += 32) {
      v128.store(dst, v128.load(b));
      v128.store(dst, v128.load(b, 16), 16);
    }
  } else if (cols == 8 && bks == 4) {
    packLines(dst, 32, b, bns, k);
    packLines(dst + 16, 32, b + 4 * bns, bns, k);
  } else {
    for (let i: usize = 0; i < k; i++, b += bks, dst += 32) {
      for (let j: usize = 0; j < 8; j++) store<f32>(dst + (j << 2), j < cols ? load<f32>(b + j * bns) : 0);
    }
  }
}

/** Whole tiles of `rows` (4 or 6) rows of a [m, k], of which a row's elements are not contiguous, to [k, rows]. */
function packA(dst: usize, a: usize, ars: usize, aks: usize, tiles: usize, rows: usize, k: usize): void {
  const width = rows << 2;
  const tile = k * width;
  for (let t: usize = 0; t < tiles; t++, a += rows * ars, dst += tile) {
    if (ars == 4 && rows == 4) {
      for (let i: usize = 0, s = a, d = dst; i < k; i++, s += aks, d += 16) v128.store(d, v128.load(s));
    } else if (ars == 4 && t + 2 <= tiles) {
      // Two at a time: 48 bytes, three vectors.
      for (let i: usize = 0, s = a, d = dst; i < k; i++, s += aks, d += width) {
        const middle = v128.load(s, 16);
        v128.store(d, v128.load(s));
        v128.store64_lane(d, middle, 0, 16);
        v128.store64_lane(d + tile, middle, 1);
        v128.store(d + tile, v128.load(s, 32), 8);
      }
      t++;
      a += rows * ars;
      dst += tile;
    } else {
      for (let i: usize = 0, d = dst; i < k; i++, d += width) {
        for (let r: usize = 0; r < rows; r++) store<f32>(d + (r << 2), load<f32>(a + r * ars + i * aks));
      }
    }
  }
}

/** An incomplete panel is summed in a complete tile; this brings what its sum begins with. */
function narrowIn(tile: usize, from: usize, fromStride: usize, rows: usize, cols: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    for (let j: usize = 0; j < cols; j++) store<f32>(tile + (r << 5) + (j << 2), load<f32>(from + r * fromStride + (j << 2)));
  }
}

function narrowOut(
  tile: usize, c: usize, ldc: usize, rows: usize, cols: usize, scale: f32, add: usize, addStride: usize,
): void {
  for (let r: usize = 0; r < rows; r++) {
    for (let j: usize = 0; j < cols; j++) {
      const v = load<f32>(tile + (r << 5) + (j << 2)) * scale;
      store<f32>(c + r * ldc + (j << 2), add ? v + load<f32>(add + r * addStride + (j << 2)) : v);
    }
  }
}

/**
 * c [m, n] = scale·(from + a·b) + add. All strides in bytes: a(i, p) at a + i·ars + p·aks, b(p, j) at b + p·bks + j·bns;
 * c, from and add have contiguous columns, the rows of the latter two are fromStride and addStride apart (0 = one row for
 * all), the address 0 is none. `from` may be c, whose sum then goes on.
 */
export function gemm(
  a: usize, ars: usize, aks: usize, b: usize, bks: usize, bns: usize, c: usize, ldc: usize,
  m: usize, n: usize, k: usize, from: usize, fromStride: usize, scale: f32, add: usize, addStride: usize, scratch: usize,
): void {
  if (m == 1 && aks == 4 && bks == 4) return oneRow(a, b, bns, c, n, k, from, scale, add);
  if (m == 1 && aks == 4 && bns == 4) return oneRowAcross(a, b, bks, c, n, k, from, scale, add);
  gemmInBlocks(a, ars, aks, b, bks, bns, c, ldc, m, n, k, from, fromStride, scale, add, addStride, scratch);
}

/** The same, where a row must come to the same bits whatever number of rows it is among. */
export function gemmInBlocks(
  a: usize, ars: usize, aks: usize, b: usize, bks: usize, bns: usize, c: usize, ldc: usize,
  m: usize, n: usize, k: usize, from: usize, fromStride: usize, scale: f32, add: usize, addStride: usize, scratch: usize,
): void {
  const scales = f32x4.splat(scale);
  const ones = f32x4.splat(1);
  const aPack = scratch + A_PACK;
  const tile = scratch + TILE;
  const packed = aks != 4;
  for (let n0: usize = 0; n0 < n; n0 += NC) {
    const nc = min(NC, n - n0);
    for (let k0: usize = 0; k0 < k; k0 += KC) {
      const kc = min(KC, k - k0);
      const last = k0 + kc == k;
      const begin = k0 ? c : from;
      const beginStride = k0 ? ldc : fromStride;
      const factors = last ? scales : ones;
      const plus = last ? add : 0;
      const plusStride = plus ? addStride : 0;
      // Panels that are read once stay in the first level of the cache.
      const slots: usize = m > MC ? NC / 8 - 1 : 1;
      for (let m0: usize = 0; m0 < m; m0 += MC) {
        const mc = min(MC, m - m0);
        // Eight rows go faster as four and four than as six and two.
        const tall = packed && mc == 8 ? 4 : ROWS;
        const aBlock = a + m0 * ars + k0 * aks;
        if (packed) packA(aPack, aBlock, ars, aks, mc / tall, tall, kc);
        for (let j: usize = 0; j < nc; j += 8) {
          const panel = scratch + ((j >> 3) & slots) * (kc << 5);
          const cols = min<usize>(8, nc - j);
          if (m0 == 0 && (j & 8) == 0) packPanels(panel, b + k0 * bks + (n0 + j) * bns, bks, bns, kc, min<usize>(16, nc - j));
          const column = (n0 + j) << 2;
          for (let i: usize = 0, rows: usize = 0; i < mc; i += rows) {
            rows = !packed && mc - i == 8 ? 4 : min(tall, mc - i);
            const tiled = packed && rows == tall;
            const at = tiled ? aPack + i * (kc << 2) : aBlock + i * ars;
            const rowStride = tiled ? 4 : ars;
            const step = tiled ? tall << 2 : aks;
            const row = m0 + i;
            const to = c + row * ldc + column;
            const start = begin ? begin + row * beginStride + column : 0;
            const more = plus ? plus + row * plusStride + column : 0;
            if (cols == 8) {
              block(rows, at, rowStride, step, panel, to, ldc, kc, start, beginStride, factors, more, plusStride);
            } else {
              if (start) narrowIn(tile, start, beginStride, rows, cols);
              block(rows, at, rowStride, step, panel, tile, 32, kc, start ? tile : 0, 32, ones, 0, 0);
              narrowOut(tile, to, ldc, rows, cols, last ? scale : 1, more, plusStride);
            }
          }
        }
      }
    }
  }
}
