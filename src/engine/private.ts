// The typed shim over tfjs's private fields: the one place that knows how the pinned 4.22.0 backends keep their
// tensors. Everything that reaches behind the public API does it through here.

import { tf } from './tf';

interface WasmModule {
  /** Set in the threaded build only. */
  wasmMemory?: WebAssembly.Memory;
  asm?: { memory: WebAssembly.Memory };
  /** 0 if the heap cannot grow any further. */
  _malloc(bytes: number): number;
  _free(address: number): void;
}

interface PrivateWasmBackend {
  wasm: WasmModule;
  dataIdMap: { get(id: object): { memoryOffset: number } };
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  incRef(id: object): void;
}

/** The wasm backend in use, with the fields we need. */
export function wasmBackend(): PrivateWasmBackend {
  return tf.backend() as unknown as PrivateWasmBackend;
}

/** What the WebGPU backend keeps about a tensor. */
export interface GpuTensorData {
  resource: GPUBuffer;
  /** A host copy cached by `.data()`; stale once a kernel writes the buffer in place. */
  values: Float32Array | Int32Array | null;
}

interface PrivateBufferManager {
  freeBuffers: Map<string, GPUBuffer[]>;
  numFreeBuffers: number;
  numBytesAllocated: number;
  acquireBuffer(size: number, usage: GPUBufferUsageFlags): GPUBuffer;
}

interface PrivateWebGPUBackend {
  device: GPUDevice;
  queue: GPUQueue;
  bufferManager: PrivateBufferManager;
  tensorMap: { get(id: object): GpuTensorData };
  /** Data ids used by the commands that are recorded but not yet submitted. */
  commandQueueOwnedIds: WeakSet<object>;
  uniformPendingDisposal: GPUBuffer[];
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  uploadToGPU(id: object): void;
  disposeData(id: object): boolean;
  makeTensorInfo(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/** The WebGPU backend in use, with the fields we need. */
export function webgpuBackend(): PrivateWebGPUBackend {
  return tf.backend() as unknown as PrivateWebGPUBackend;
}
