// Registers our wasm kernels with tfjs's wasm backend, which must be the backend in use.

import { wasmBackend } from '../private';
import { tf } from '../tf';
import { registerKernels } from './kernels';
import { Machine } from './machine';

/**
 * tfjs saves what a gradient needs by its Identity kernel, which on wasm copies: every activation, and every frozen
 * weight at every step. Sharing the buffer is what the WebGPU backend does.
 */
function shareIdentity(): void {
  tf.unregisterKernel('Identity', 'wasm');
  tf.registerKernel({
    kernelName: 'Identity',
    backendName: 'wasm',
    kernelFunc: ({ inputs }) => {
      const { dataId, shape, dtype } = inputs['x'] as tf.TensorInfo;
      wasmBackend().incRef(dataId);
      return { dataId, shape, dtype };
    },
  });
}

let opened: { machine: Machine; backend: object } | undefined;

/** Makes the kernels ready on up to `threads` threads; returns how many, 1 where the memory is not shared. */
export async function installWasmKernels(threads: number): Promise<number> {
  const backend = wasmBackend();
  if (opened?.backend !== backend) {
    const machine = await Machine.open();
    if (!opened) {
      registerKernels(() => opened?.machine ?? machine);
      shareIdentity();
    }
    opened = { machine, backend };
  }
  return opened.machine.useThreads(threads);
}
