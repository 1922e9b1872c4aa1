// How a matrix product is laid over invocations: by its shape and the adapter alone, save for the tile, which changes no bit.

import rowsSource from '../ops/tile-rows.wgsl?raw';
import stagedSource from '../ops/tile-staged.wgsl?raw';
import tileSource from '../ops/tile.wgsl?raw';
import { adapterTraits } from './adapter';
import { DEFAULT_CHOICE, kernelChoice, sizeClass, type Tile, TILES } from './tiles';

/** op(a) · op(b) as it is laid out. */
export interface Shape {
  M: number;
  N: number;
  K: number;
  transposeA?: boolean | undefined;
  transposeB?: boolean | undefined;
}

/** Workgroups that cover [M, N], across and down; each has 64 invocations. */
type Groups = [across: number, down: number];

interface Tiled {
  form: 'tiles';
  /** Blocks of 4 × 4 results of one invocation, down and across. */
  R: number;
  J: number;
  /** Invocations of a workgroup, across and down. */
  WX: number;
  WY: number;
  /** Stretches that K is summed up in, and whether as many invocations share them; the bits are the same. */
  SLICES: number;
  SHARED: boolean;
  /** Where the matrices allow it, the workgroup shares what it reads. */
  staged: boolean;
  groups: Groups;
}

interface ByRows {
  form: 'rows';
  ROWS: number;
  /** Invocations that share a block of four columns. */
  LANES: number;
  /** Blocks of a workgroup. */
  WX: number;
  groups: Groups;
}

/** Both matrices can be read four numbers at a time. */
const isAligned = ({ M, N, K, transposeA, transposeB }: Shape): boolean =>
  (transposeA ? M : K) % 4 === 0 && (transposeB ? K : N) % 4 === 0;

/** Of a sum of products, each [M, N]. */
export function layoutOf(terms: readonly Shape[]): Tiled | ByRows {
  const { M, N } = terms[0]!;
  const readInOrder = ({ transposeA, transposeB }: Shape) => !transposeA && transposeB;
  if (M <= MOST_ROWS && terms.every(readInOrder)) return rowLayout(M, N);
  return tileLayout(M, N, Math.max(...terms.map(({ K }) => K)));
}

/** More rows than this are worth tiles. */
const MOST_ROWS = 16;

function rowLayout(M: number, N: number): ByRows {
  const blocks = Math.ceil(N / 4);
  const { software } = adapterTraits();
  const ROWS = Math.min(M, 4);
  // The processor's few threads want some workgroups each.
  const WX = software ? Math.min(64, Math.max(4, Math.ceil(blocks / 8))) : 1;
  const groups: Groups = [Math.ceil(blocks / WX), Math.ceil(M / ROWS)];
  return { form: 'rows', ROWS, LANES: software ? 1 : 64, WX, groups };
}

/** K is that of the longest product; 0 where it must not be cut. */
function tileLayout(M: number, N: number, K: number, tile?: Tile): Tiled {
  const SLICES = sliceCount(M, N, K);
  const shape = TILES[SLICES > 1 ? '4x4' : (tile ?? kernelChoice()[sizeClass(M, N)])];
  const R = M > 4 ? shape.R : 1;
  const J = N > 4 ? shape.J : 1;
  const columns = Math.ceil(N / (4 * J));
  const SHARED = SLICES > 1 && !adapterTraits().software;
  const invocations = SHARED ? 64 / SLICES : 64;
  const WX = Math.min(8, invocations, 2 ** Math.ceil(Math.log2(columns)));
  const WY = invocations / WX;
  const groups: Groups = [Math.ceil(columns / WX), Math.ceil(M / (4 * R * WY))];
  return { form: 'tiles', R, J, WX, WY, SLICES, SHARED, staged: shape.staged && WX === 8, groups };
}

/** More than one where the invocations would be too few to fill a GPU, none shorter than 128. */
function sliceCount(M: number, N: number, K: number): number {
  const invocations = Math.ceil(M / 4) * Math.ceil(N / 4);
  const count = Math.min(4096 / invocations, K / 128, 32);
  return 2 ** Math.max(0, Math.floor(Math.log2(count)));
}

/** The text of the inner product, and what it must be told besides `A` and `B`, the functions that read. */
export type Inner = ReturnType<typeof tileValues> | ReturnType<typeof rowValues>;

export const innerOf = (shape: Shape, layout: Tiled | ByRows): Inner =>
  layout.form === 'rows' ? rowValues(shape, layout) : tileValues(shape, layout);

function tileValues(shape: Shape, { R, J, WX, WY, staged }: Tiled) {
  const { transposeA = false, transposeB = false } = shape;
  const ALIGNED = isAligned(shape);
  const STAGED = staged && ALIGNED && shape.K % 4 === 0;
  return {
    ...{ R, J, WX, WY, FOUR: 4, ALIGNED, STAGED, TILE: STAGED ? stagedSource : tileSource },
    ...{ TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB, RAGGED_K: transposeA && !transposeB },
    ...{ TM: WY * R, TN: WX * J },
  };
}

const rowValues = (shape: Shape, { ROWS, LANES }: ByRows) => {
  return { ROWS, LANES, FOUR: 4, ALIGNED: isAligned(shape), TILE: rowsSource };
};

/** What product.wgsl or product-rows.wgsl must be told. */
export function outerOf(layout: Tiled | ByRows, inner: readonly Inner[]) {
  if (layout.form === 'rows') {
    const { ROWS, LANES, WX } = layout;
    const SUB = Math.min(LANES, adapterTraits().subgroup);
    return { ROWS, LANES, WX, TOGETHER: LANES > 1, SUB, SUBGROUPS: SUB > 1 };
  }
  const { R, J, WX, WY, SLICES, SHARED } = layout;
  const ALONE = !SHARED && inner.every((values) => !('STAGED' in values && values.STAGED));
  const LOOP = adapterTraits().software;
  return { R, J, WX, WY, SLICES, SHARED, SERIAL: SLICES > 1 && !SHARED, ALONE, LOOP };
}

/** How much memory a workgroup needs, in fours of numbers. */
export function memoryOf(layout: Tiled | ByRows, inner: readonly Inner[]): number {
  if (layout.form === 'rows') return layout.LANES > 1 ? layout.ROWS * layout.LANES : 0;
  const staged = inner.map((values) =>
    'STAGED' in values && values.STAGED ? 16 * (values.TM + values.TN) : 0,
  );
  return Math.max(layout.SHARED ? 4 * 64 : 0, ...staged);
}

/** For a product of its own with the weights as they lie, [V, K], never sliced: its values and workgroups. Where results
 *  are summed up over columns (`inOrder`), no other tile than one as wide as the default may be taken. */
export function wholeTile(M: number, N: number, K: number, inOrder: boolean) {
  const kind = sizeClass(M, N);
  const [chosen, usual] = [kernelChoice()[kind], DEFAULT_CHOICE[kind]];
  const layout = tileLayout(M, N, 0, !inOrder || TILES[chosen].J === TILES[usual].J ? chosen : usual);
  const inner = tileValues({ M, N, K, transposeB: true }, layout);
  const { ALONE } = outerOf(layout, [inner]) as { ALONE: boolean };
  const MEMORY = memoryOf(layout, [inner]);
  const ELEMENT = inner.ALIGNED ? 'vec4f' : 'f32';
  return { groups: layout.groups, values: { ...inner, A: 'a', B: 'b', ELEMENT, ALONE, MEMORY } };
}
