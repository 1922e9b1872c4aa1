// The typed shim over tfjs's private fields: the one place that knows how the pinned 4.22.0 backends keep their
// tensors. Everything that reaches behind the public API does it through here.

import { tf } from './tf';

interface WasmModule {
  /** Set in the threaded build only. */
  wasmMemory?: WebAssembly.Memory;
  asm?: { memory: WebAssembly.Memory };
  /** 0 if the heap cannot grow any further. */
  _malloc: (bytes: number) => number;
  _free: (address: number) => void;
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

/** Lists of buffers by the key `${size}_${usage}`. A list of free ones stays where one of its buffers is in use. */
export interface PrivateBufferManager {
  freeBuffers: Map<string, GPUBuffer[]>;
  numFreeBuffers: number;
  numBytesUsed: number;
  numBytesAllocated: number;
  releaseBuffer(buffer: GPUBuffer): void;
  acquireBuffer(size: number, usage: GPUBufferUsageFlags, mapped?: boolean, reuse?: boolean): GPUBuffer;
}

export interface PrivateWebGPUBackend {
  device: GPUDevice;
  queue: GPUQueue;
  bufferManager: PrivateBufferManager;
  tensorMap: { get(id: object): GpuTensorData };
  /** Data ids used by the commands that are recorded but not yet submitted. */
  commandQueueOwnedIds: WeakSet<object>;
  /** What the next submission gives back to the pool. */
  tensorDataPendingDisposal: object[];
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

interface RecordedOp {
  /** The inputs that gradients may be asked for, by the names of `backward`. */
  inputs: Record<string, tf.Tensor>;
  /** What the op computed. */
  outputs: tf.Tensor[];
  /** What the gradients need of tensors that may be disposed by then. */
  save: tf.Tensor[];
  /** The gradient of each input, computed only where it is wanted. `dys` are of the outputs. */
  backward: (dys: tf.Tensor[], saved: tf.Tensor[]) => Record<string, () => tf.Tensor>;
}

interface PrivateEngine {
  runKernelFunc(op: {
    inputs: Record<string, tf.Tensor>;
    forwardFunc: (backend: object, save: (tensors: tf.Tensor[]) => void) => tf.Tensor[];
    backwardsFunc: (dys: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]) => Record<string, () => tf.Tensor>;
  }): tf.Tensor[];
}

/** Makes one differentiable op of what was computed already: tf.customGrad with several outputs, and gradients by need. */
export function recordOp({ inputs, outputs, save, backward }: RecordedOp): tf.Tensor[] {
  return (tf.engine() as unknown as PrivateEngine).runKernelFunc({
    inputs,
    forwardFunc: (_, keep) => {
      keep(save);
      return outputs.map((output) => tf.clone(output));
    },
    backwardsFunc: (dys, saved) => backward([dys].flat(), saved),
  });
}
