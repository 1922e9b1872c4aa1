// How a matrix product is laid over invocations: by its shape alone, save for the tile, which changes no bit.

import tileSource from '../ops/tile.wgsl?raw';
import { DEFAULT_CHOICE, kernelChoice, sizeClass, TILES } from './tiles';

interface Layout {
  /** Blocks of 4 × 4 results of one invocation, down and across. */
  R: number;
  J: number;
  /** Invocations of a workgroup, across and down. */
  WX: number;
  WY: number;
  /** Stretches that K is summed up in, and whether as many invocations share them. */
  SLICES: number;
  SHARED: boolean;
  /** Workgroups that cover [M, N], across and down. */
  groups: [across: number, down: number];
}

let serial = false;

/** Has each invocation sum up all slices of K by itself, to the same bits: a software adapter pays dearly for a barrier. */
export function sliceSerially(wanted: boolean): void {
  serial = wanted;
}

/** Of [M, N] with up to K products a result. Where results are summed up over tiles, the tile must be the default one:
 *  another would add in another order. */
export function layoutOf(M: number, N: number, K: number, tile = kernelChoice()[sizeClass(M, N)]): Layout {
  const SLICES = sliceCount(M, N, K);
  const [down, across] = SLICES > 1 ? TILES['4x4'] : TILES[tile];
  const R = M > 4 ? down : 1;
  const J = N > 4 ? across : 1;
  const columns = Math.ceil(N / (4 * J));
  const SHARED = SLICES > 1 && !serial;
  const invocations = SHARED ? 64 / SLICES : 64;
  const WX = Math.min(8, invocations, 2 ** Math.ceil(Math.log2(columns)));
  const WY = invocations / WX;
  return { R, J, WX, WY, SLICES, SHARED, groups: [Math.ceil(columns / WX), Math.ceil(M / (4 * R * WY))] };
}

/** More than one where the invocations would be too few to fill a GPU, none shorter than 128. */
function sliceCount(M: number, N: number, K: number): number {
  const invocations = Math.ceil(M / 4) * Math.ceil(N / 4);
  const count = Math.min(4096 / invocations, K / 128, 32);
  return 2 ** Math.max(0, Math.floor(Math.log2(count)));
}

/** What tile.wgsl must know of op(a) · op(b); `A` and `B` are the functions that read them. */
export function tileValues(
  { M, N, K }: { M: number; N: number; K: number },
  { transposeA = false, transposeB = false }: { transposeA?: boolean; transposeB?: boolean },
) {
  return {
    ALIGNED: (transposeA ? M : K) % 4 === 0 && (transposeB ? K : N) % 4 === 0,
    RAGGED_K: transposeA && !transposeB,
    TRANSPOSE_A: transposeA,
    TRANSPOSE_B: transposeB,
    FOUR: 4,
  };
}

/** Both for a product of its own, never sliced: tile.wgsl's values and the workgroups. */
export function wholeTile(M: number, N: number, K: number) {
  const { groups, R, J, WX, WY } = layoutOf(M, N, 0, DEFAULT_CHOICE[sizeClass(M, N)]);
  const values = { TILE: tileSource, ...tileValues({ M, N, K }, { transposeB: true }) };
  const ELEMENT = values.ALIGNED ? 'vec4f' : 'f32';
  return { groups, values: { ...values, R, J, WX, WY, A: 'a', B: 'b', ELEMENT } };
}
