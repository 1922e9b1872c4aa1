// The matrix product in every transposition. How K is cut depends on the shape alone and nothing is added atomically, so
// that the same shapes give the same bits, whatever tile suits the device.

import reduceSource from '../ops/matmul-reduce.wgsl?raw';
import source from '../ops/matmul.wgsl?raw';
import tileSource from '../ops/tile.wgsl?raw';
import type { tf } from '../tf';
import { dispatch, line, output, release, type Part } from './dispatch';
import { DEFAULT_CHOICE, kernelChoice, sizeClass, TILES } from './tiles';

/** scale · op(a) · op(b) + add → [M, N]. */
export function matmulKernel(
  { a, b, add }: { a: tf.TensorInfo; b: tf.TensorInfo; add?: tf.TensorInfo },
  { transposeA, transposeB, scale }: { transposeA: boolean; transposeB: boolean; scale: number },
): tf.TensorInfo {
  const [M, K] = dimensions(a, transposeA);
  const [N] = dimensions(b, !transposeB);
  return multiply({ a, b, add, M, N, K, transposeA, transposeB, scale });
}

interface Product {
  a: tf.TensorInfo;
  b: tf.TensorInfo | Part;
  /** [M, N], or [N] for every row. */
  add: tf.TensorInfo | undefined;
  M: number;
  N: number;
  K: number;
  transposeA?: boolean;
  transposeB?: boolean;
  scale?: number;
}

/** The same, with the extents given: b may be a part of a larger tensor. */
export function multiply(product: Product): tf.TensorInfo {
  const { a, b, add, M, N, K, transposeA = false, transposeB = false, scale = 1 } = product;
  const result = output([M, N]);
  const tile = kernelChoice()[sizeClass(M, N)];
  const shape = tileShape(M, N, K, transposeA, transposeB, tile);
  const [x, y] = shape.groups;
  const slice = Math.ceil(K / sliceCount(M, N, K) / 4) * 4;
  const slices = Math.max(1, Math.ceil(K / slice)); // none empty
  const addRow = add?.shape.length === 1;
  const parts = slices > 1 ? output([slices, M, N]) : result;
  const added = add && slices === 1 ? [add] : [];
  dispatch({
    name: 'matmul',
    source,
    values: {
      ...shape.values,
      STORE4: N % 4 === 0,
      SLICES: slices > 1,
      ADD: added.length > 0,
      ADDROW: addRow,
    },
    writes: [parts],
    reads: [a, b, ...added],
    integers: [M, N, K, slice],
    floats: [scale],
    groups: [x, y, slices],
  });
  if (slices === 1) return result;
  dispatch({
    name: 'matmul-reduce',
    source: reduceSource,
    values: { ADD: add !== undefined, ADDROW: addRow },
    writes: [result],
    reads: add ? [parts, add] : [parts],
    integers: [M * N, N, slices],
    floats: [scale],
    groups: line(Math.ceil((M * N) / 64)),
  });
  release(parts);
  return result;
}

function dimensions({ shape }: tf.TensorInfo, transposed: boolean): [outer: number, inner: number] {
  const [first = 0, second = 0] = shape;
  return transposed ? [second, first] : [first, second];
}

/** Tile values of tile.wgsl and the workgroups that cover [M, N]. Where results are summed up over tiles, the tile must
 *  be the default one: another would add in another order. */
export function tileShape(
  M: number,
  N: number,
  K: number,
  transposeA: boolean,
  transposeB: boolean,
  tile = DEFAULT_CHOICE[sizeClass(M, N)],
) {
  const aligned = (transposeA ? M : K) % 4 === 0 && (transposeB ? K : N) % 4 === 0;
  const R = M > 4 ? TILES[tile][0] : 1;
  const J = N > 4 ? TILES[tile][1] : 1;
  const across = Math.ceil(N / (4 * J));
  const WX = across >= 8 ? 8 : 2 ** Math.ceil(Math.log2(across));
  const WY = 64 / WX;
  return {
    values: {
      TILE: tileSource,
      ALIGNED: aligned,
      RAGGED_K: transposeA && !transposeB,
      TRANSPOSE_A: transposeA,
      TRANSPOSE_B: transposeB,
      FOUR: 4,
      R,
      J,
      WX,
      WY,
    },
    groups: [Math.ceil(across / WX), Math.ceil(M / (4 * R * WY))] as [number, number],
  };
}

/** Slices of K: more than one where the invocations would be too few to fill a GPU. */
function sliceCount(M: number, N: number, K: number): number {
  const results = M * N;
  const [x, y] = tileShape(M, N, K, false, false).groups;
  const invocations = x * y * 64;
  const wanted = Math.floor(4096 / invocations);
  const longest = Math.floor(K / 128); // a slice shorter than 128 costs more than it brings
  const fitting = Math.floor((1 << 22) / results); // 16 MB of partial products
  return Math.max(1, Math.min(wanted, longest, fitting, 32));
}
