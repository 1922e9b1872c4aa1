// Registers our wasm kernels with tfjs's wasm backend, which must be the backend in use.

import { wasmBackend } from '../private';
import { registerKernels } from './kernels';
import { Machine } from './machine';

let machine: Machine | undefined;
let owner: object | undefined;

/** Makes the kernels ready on up to `threads` threads; returns how many, 1 where the memory is not shared. */
export async function installWasmKernels(threads: number): Promise<number> {
  if (!machine || owner !== wasmBackend()) {
    machine = await Machine.open();
    owner = wasmBackend();
    registerKernels(machine);
  }
  return machine.useThreads(threads);
}
