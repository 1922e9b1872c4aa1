// How many results one invocation of the matrix product owns. More of them need fewer loads, fewer of them fill a small
// GPU: which is faster is measured on each device (tune.ts). The numbers are the same whichever is chosen, since K is
// walked in one order and cut into slices by the shape alone.

/** Rows × columns of one invocation, in blocks of 4 × 4. */
export const TILES = { '4x4': [1, 1], '4x8': [1, 2], '8x4': [2, 1], '8x8': [2, 2] } as const;

export type Tile = keyof typeof TILES;

/** The tile of each class of products: those with fewer than 65,536 results, and the others. */
export interface KernelChoice {
  small: Tile;
  large: Tile;
}

export const DEFAULT_CHOICE: KernelChoice = { small: '4x4', large: '8x8' };

let choice = DEFAULT_CHOICE;

export const kernelChoice = (): KernelChoice => choice;

/** For every product from now on. */
export function useKernels(chosen: KernelChoice): void {
  choice = chosen;
}

export function sizeClass(M: number, N: number): keyof KernelChoice {
  return M * N >= 65536 ? 'large' : 'small';
}

/** Whether something remembered is a choice that this version knows. */
export function isKernelChoice(value: unknown): value is KernelChoice {
  const known = (tile: unknown): boolean => typeof tile === 'string' && Object.hasOwn(TILES, tile);
  const { small, large } = (value ?? {}) as Partial<Record<string, unknown>>;
  return known(small) && known(large);
}
