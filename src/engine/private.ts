// The typed shim over tfjs's private fields: the one place that knows how the pinned 4.22.0 backends keep their
// tensors. Everything that reaches behind the public API does it through here.

import { tf } from './tf';

interface WasmModule {
  /** Set in the threaded build only. */
  wasmMemory?: WebAssembly.Memory;
  asm?: { memory: WebAssembly.Memory };
}

interface PrivateWasmBackend {
  wasm: WasmModule;
  dataIdMap: { get(id: object): { memoryOffset: number } };
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
}

/** The wasm backend in use, with the fields we need. */
export function wasmBackend(): PrivateWasmBackend {
  return tf.backend() as unknown as PrivateWasmBackend;
}
