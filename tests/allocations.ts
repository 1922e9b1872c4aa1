// The most that a device holds at once: on WebGPU all buffers, those that wait in the pool among them; on wasm what tensors
// and scratch take of the heap, which itself grows in large steps and never shrinks.

import { memoryInUse } from '../src/engine/memory';
import { wasmBackend, webgpuBackend } from '../src/engine/private';
import { tf } from '../src/engine/tf';

export interface Allocations {
  /** Bytes held now. */
  now(): number;
  /** Of them, those that somebody uses: without what waits in the pool. */
  used(): number;
  /** The most of those since watching began. */
  mostUsed(): number;
  /** The most since the last call. */
  peak(): number;
  stop(): void;
}

/** Of the backend in use, from now on; what is there already counts only on WebGPU. */
export function watchAllocations(): Allocations {
  return tf.getBackend() === 'webgpu' ? watchBuffers() : watchHeap();
}

function watchBuffers(): Allocations {
  const backend = webgpuBackend();
  const manager = backend.bufferManager;
  const acquire = manager.acquireBuffer.bind(manager);
  const now = (): number => memoryInUse().allocatedBytes;
  let most = now();
  let mostUsed = manager.numBytesUsed;
  manager.acquireBuffer = (...args) => {
    const buffer = acquire(...args);
    most = Math.max(most, now());
    mostUsed = Math.max(mostUsed, manager.numBytesUsed);
    return buffer;
  };
  return {
    now,
    used: () => {
      backend.ensureCommandEncoderReady();
      backend.endComputePassEncoder();
      backend.submitQueue(); // what recorded commands use is given back then
      return manager.numBytesUsed;
    },
    mostUsed: () => mostUsed,
    peak: () => {
      const told = most;
      most = now();
      return told;
    },
    stop: () => (manager.acquireBuffer = acquire),
  };
}

function watchHeap(): Allocations {
  const { wasm } = wasmBackend();
  wasm._free(wasm._malloc(1)); // the first call puts another function in its place
  const [allocate, free] = [wasm._malloc, wasm._free];
  const sizes = new Map<number, number>();
  let [held, most, mostUsed] = [0, 0, 0];
  wasm._malloc = (bytes) => {
    const address = allocate(bytes);
    sizes.set(address >>> 0, bytes);
    held += bytes;
    most = Math.max(most, held);
    mostUsed = Math.max(mostUsed, held);
    return address;
  };
  wasm._free = (address) => {
    held -= sizes.get(address >>> 0) ?? 0;
    sizes.delete(address >>> 0);
    free(address);
  };
  return {
    now: () => held,
    used: () => held,
    mostUsed: () => mostUsed,
    peak: () => {
      const told = most;
      most = held;
      return told;
    },
    stop: () => Object.assign(wasm, { _malloc: allocate, _free: free }),
  };
}
