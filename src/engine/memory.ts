// How much memory the engine holds, and how to give back what it holds for nothing: tfjs's WebGPU backend keeps
// every buffer it ever made in a pool keyed by exact size, so each new sequence length would add to it for good.

import type { MemoryReport } from '../shared/protocol';
import { wasmBackend, webgpuBackend } from './private';
import { tf } from './tf';

/** Live tensors, their bytes, and the bytes taken from the GPU (pool included) or the wasm heap. */
export function memoryInUse(): MemoryReport {
  const { numTensors, numBytes } = tf.memory();
  return { tensors: numTensors, bytes: numBytes, allocatedBytes: allocatedBytes() };
}

function allocatedBytes(): number {
  if (tf.getBackend() === 'webgpu') return webgpuBackend().bufferManager.numBytesAllocated;
  const { wasm } = wasmBackend();
  return (wasm.wasmMemory ?? wasm.asm?.memory)?.buffer.byteLength ?? 0;
}

/** Destroys the pooled GPU buffers that no tensor uses; nothing on wasm, whose heap cannot shrink. */
export function trimPool(): void {
  if (tf.getBackend() !== 'webgpu') return;
  const manager = webgpuBackend().bufferManager;
  for (const buffers of manager.freeBuffers.values()) {
    for (const buffer of buffers) {
      manager.numBytesAllocated -= buffer.size;
      manager.numFreeBuffers -= 1;
      buffer.destroy();
    }
    buffers.length = 0;
  }
}
