// Measures which tile of the matrix product suits this device, on two products of the kind that a small language model
// is made of. Takes some milliseconds on a GPU and about two seconds on a software adapter, so callers remember it.

import { webgpuBackend } from '../private';
import { tf } from '../tf';
import { matmulKernel } from './matmul';
import { DEFAULT_CHOICE, type KernelChoice, kernelChoice, type Tile, TILES, useKernels } from './tiles';

/** M, N, K of x · Wᵀ: one row of tokens through a projection, a batch of them into an MLP. */
const PRODUCTS: Record<keyof KernelChoice, [number, number, number]> = {
  small: [64, 256, 256],
  large: [256, 1024, 256],
};

const REPEATS = 3;

/** A tile must be this much faster than the default one to replace it: smaller differences are noise. */
const WORTHWHILE = 0.9;

/** The fastest tile of each class; the products in use stay as they are. Rejects if the device is lost. */
export async function tuneKernels(): Promise<KernelChoice> {
  const before = kernelChoice();
  const best = { ...DEFAULT_CHOICE };
  try {
    for (const kind of ['small', 'large'] as const) {
      const times = new Map<Tile, number>();
      for (const tile of Object.keys(TILES) as Tile[]) {
        useKernels({ ...DEFAULT_CHOICE, [kind]: tile });
        times.set(tile, await secondsOf(...PRODUCTS[kind]));
      }
      const [fastest] = [...times].sort(([, a], [, b]) => a - b)[0]!;
      if (times.get(fastest)! < WORTHWHILE * times.get(DEFAULT_CHOICE[kind])!) best[kind] = fastest;
    }
  } finally {
    useKernels(before);
  }
  return best;
}

/** The least of some runs after one that compiles. */
async function secondsOf(M: number, N: number, K: number): Promise<number> {
  const backend = webgpuBackend();
  const a = tf.fill([M, K], 0.5);
  const b = tf.fill([N, K], 0.5);
  let least = Infinity;
  for (let i = 0; i <= REPEATS; i++) {
    const began = performance.now();
    const product = matmulKernel({ a, b }, { transposeA: false, transposeB: true, scale: 1 });
    backend.endComputePassEncoder();
    backend.submitQueue();
    await backend.queue.onSubmittedWorkDone();
    backend.disposeData(product.dataId);
    if (i > 0) least = Math.min(least, (performance.now() - began) / 1000);
  }
  tf.dispose([a, b]);
  return least;
}
