// Registers our wasm kernels with tfjs's wasm backend, which must be the backend in use.

import { wasmBackend } from '../private';
import { registerKernels } from './kernels';
import { Machine } from './machine';

let opened: { machine: Machine; backend: object } | undefined;

/** Makes the kernels ready on up to `threads` threads; returns how many, 1 where the memory is not shared. */
export async function installWasmKernels(threads: number): Promise<number> {
  const backend = wasmBackend();
  if (opened?.backend !== backend) {
    const machine = await Machine.open();
    if (!opened) registerKernels(() => opened?.machine ?? machine);
    opened = { machine, backend };
  }
  return opened.machine.useThreads(threads);
}
