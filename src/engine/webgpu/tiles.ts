// How many results one invocation of the matrix product owns, whether a workgroup shares what it reads, and how it reads
// packed halves. More results need fewer loads, fewer of them fill a small GPU: which is fastest is measured on each device
// (tune.ts). The numbers are the same whichever is chosen, since K is walked in one order and cut into slices by the shape
// alone.

interface TileShape {
  /** Rows and columns of one invocation, in blocks of 4. */
  R: number;
  J: number;
  /** The workgroup reads its part of both matrices once, into its own memory. */
  staged: boolean;
}

const tile = (R: number, J: number, staged = false): TileShape => ({ R, J, staged });

/** By rows × columns of one invocation. */
export const TILES = {
  '4x4': tile(1, 1),
  '4x8': tile(1, 2),
  '8x4': tile(2, 1),
  '8x8': tile(2, 2),
  '16x8': tile(4, 2),
  '16x16': tile(4, 4),
  '4x4 staged': tile(1, 1, true),
  '8x8 staged': tile(2, 2, true),
} as const;

export type Tile = keyof typeof TILES;

/** Products by the number of their results: fewer than 2¹⁶, fewer than 2²⁰, and the others. */
export type SizeClass = 'small' | 'medium' | 'large';

/** The tile of each class of products. */
export interface KernelChoice extends Record<SizeClass, Tile> {
  /** Packed halves are read as float16 where the adapter can (`shader-f16`), and not unpacked from words. */
  halves: boolean;
}

export const DEFAULT_CHOICE: KernelChoice = { small: '4x4', medium: '8x8', large: '8x8', halves: false };

let choice = DEFAULT_CHOICE;

export const kernelChoice = (): KernelChoice => choice;

/** For every product from now on. */
export function useKernels(chosen: KernelChoice): void {
  choice = chosen;
}

export function sizeClass(M: number, N: number): SizeClass {
  if (M * N < 2 ** 16) return 'small';
  return M * N < 2 ** 20 ? 'medium' : 'large';
}

/** Whether something remembered is a choice that this version knows. */
export function isKernelChoice(value: unknown): value is KernelChoice {
  const known = (tile: unknown): boolean => typeof tile === 'string' && Object.hasOwn(TILES, tile);
  const { small, medium, large, halves } = (value ?? {}) as Partial<Record<string, unknown>>;
  return known(small) && known(medium) && known(large) && typeof halves === 'boolean';
}
