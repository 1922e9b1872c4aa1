// How much memory the engine holds, and how it gives back what it holds for nothing: tfjs's WebGPU backend keeps every
// buffer it ever made in a pool keyed by exact size, so each new sequence length would add to it for good.

import type { MemoryReport } from '../shared/protocol';
import { type PrivateBufferManager, wasmBackend, webgpuBackend } from './private';
import { tf } from './tf';

/** Live tensors, their bytes, and the bytes taken from the GPU (pool included) or the wasm heap. */
export function memoryInUse(): MemoryReport {
  const { numTensors, numBytes } = tf.memory();
  return { tensors: numTensors, bytes: numBytes, allocatedBytes: allocatedBytes() };
}

/** Bytes that one tensor may have at most: a kernel of the GPU binds it in one piece. */
export function mostTensorBytes(): number {
  return tf.getBackend() === 'webgpu' ? webgpuBackend().device.limits.maxStorageBufferBindingSize : Infinity;
}

/**
 * Puts what tensors hold onto the GPU now, one after the other, and waits until it is there. It would stay in the tab's
 * memory until its first use otherwise, a model's weights all at once, and be there twice as they are used.
 */
export async function upload(tensors: Iterable<tf.Tensor>): Promise<void> {
  if (tf.getBackend() !== 'webgpu') return;
  const backend = webgpuBackend();
  for (const { dataId } of tensors) {
    backend.uploadToGPU(dataId);
    // Into a buffer of the pool it goes by way of another, which is given back once the copy is submitted.
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
    await backend.queue.onSubmittedWorkDone();
  }
}

function allocatedBytes(): number {
  if (tf.getBackend() === 'webgpu') return webgpuBackend().bufferManager.numBytesAllocated;
  const { wasm } = wasmBackend();
  return (wasm.wasmMemory ?? wasm.asm?.memory)?.buffer.byteLength ?? 0;
}

/** What a pool may hold, in terms of the most that was ever in use at once: one step over and over finds all its
 *  buffers again within this, and steps of many lengths do not add theirs up. */
export const SLACK = 1.1;

/** The most bytes of each pool that were in use at once since it was last trimmed. */
const mostUsed = new WeakMap<PrivateBufferManager, number>();

/**
 * From now on commands are submitted before more is taken than ever was, since what they use is given back only then; and
 * a new buffer is made in the room of those that wait longest for one of their size.
 */
export function boundPool(): void {
  const backend = webgpuBackend();
  const manager = backend.bufferManager;
  if (mostUsed.has(manager)) return;
  mostUsed.set(manager, manager.numBytesUsed);
  const acquire = manager.acquireBuffer.bind(manager);
  manager.acquireBuffer = (size, usage, ...rest) => {
    const before = mostUsed.get(manager) ?? 0;
    if (manager.numBytesUsed + size > before && backend.tensorDataPendingDisposal.length > 0) {
      backend.endComputePassEncoder();
      backend.submitQueue();
    }
    const most = Math.max(before, manager.numBytesUsed + size);
    mostUsed.set(manager, most);
    const key = `${size}_${usage}`;
    const waiting = manager.freeBuffers.get(key);
    if (waiting) {
      // To the end: the lists stand in the order in which they were last asked.
      manager.freeBuffers.delete(key);
      manager.freeBuffers.set(key, waiting);
    }
    if (!waiting?.length) freeDownTo(manager, SLACK * most - size);
    return acquire(size, usage, ...rest);
  };
}

/** Destroys the pooled GPU buffers that no tensor uses; nothing on wasm, whose heap cannot shrink. */
export function trimPool(): void {
  if (tf.getBackend() !== 'webgpu') return;
  const manager = webgpuBackend().bufferManager;
  freeDownTo(manager, 0);
  mostUsed.set(manager, manager.numBytesUsed);
}

/** Destroys free buffers until no more than `bytes` are allocated. */
function freeDownTo(manager: PrivateBufferManager, bytes: number): void {
  for (const buffers of manager.freeBuffers.values()) {
    while (manager.numBytesAllocated > bytes) {
      const buffer = buffers.pop();
      if (!buffer) break;
      manager.numBytesAllocated -= buffer.size;
      manager.numFreeBuffers -= 1;
      buffer.destroy();
    }
  }
}
