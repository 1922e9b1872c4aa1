// Runs the kernels of assembly/ over tfjs's memory: loads the module, hands it arguments and scratch, and shares the
// units of a job among threads where the memory is shared.

import { PlaygroundError } from '../../shared/errors';
import { wasmBackend } from '../private';
import type { tf } from '../tf';
import type { Kernel } from './assembly/kernels';

/** What assembly/index.ts exports. Addresses and sizes in bytes. */
interface Exports {
  scratchBytes(): number;
  run(kernel: Kernel, args: number, begin: number, end: number, scratch: number): void;
}

/** One call of a kernel; its comment in assembly/ lists the arguments. */
interface Job {
  kernel: Kernel;
  floats?: readonly number[];
  /** Addresses, sizes and booleans. */
  integers: readonly number[];
  /** Independent parts of the work; the result does not depend on which thread does which. */
  units: number;
  /** Bytes a thread needs besides the fixed scratch. */
  scratch?: number;
}

/** Arguments in memory: eight float64 numbers, then 32-bit integers. */
const FLOATS = 8;
const ARGUMENT_BYTES = 256;

export class Machine {
  readonly #memory: WebAssembly.Memory;
  readonly #exports: Exports;
  readonly #args: number;
  #words: Int32Array;
  #floats: Float64Array;
  #scratch = 0;
  #scratchSize = 0;

  private constructor(memory: WebAssembly.Memory, exports: Exports) {
    this.#memory = memory;
    this.#exports = exports;
    this.#args = allocate(ARGUMENT_BYTES);
    this.#words = new Int32Array(memory.buffer);
    this.#floats = new Float64Array(memory.buffer);
  }

  /** For the wasm backend in use. */
  static async open(): Promise<Machine> {
    const { wasm } = wasmBackend();
    const memory = wasm.wasmMemory ?? wasm.asm?.memory;
    if (!memory)
      throw new PlaygroundError('bug', 'The wasm backend has no memory to share.', 'Please report this.');
    const module = await loadModule(wasm.wasmMemory !== undefined);
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    return new Machine(memory, exports as unknown as Exports);
  }

  run({ kernel, floats = [], integers, units, scratch = 0 }: Job): void {
    if (units === 0) return;
    const size = this.#exports.scratchBytes() + scratch;
    if (size > this.#scratchSize) {
      if (this.#scratch !== 0) wasmBackend().wasm._free(this.#scratch);
      this.#scratch = allocate(size);
      this.#scratchSize = size;
    }
    if (this.#words.buffer !== this.#memory.buffer) {
      this.#words = new Int32Array(this.#memory.buffer);
      this.#floats = new Float64Array(this.#memory.buffer);
    }
    this.#floats.set(floats, this.#args >>> 3);
    this.#words.set(integers, (this.#args >>> 2) + 2 * FLOATS);
    this.#exports.run(kernel, this.#args, 0, units, this.#scratch);
  }
}

/** Bytes on tfjs's heap, aligned to 16. */
function allocate(bytes: number): number {
  const address = wasmBackend().wasm._malloc(bytes) >>> 0;
  if (address === 0) throw outOfMemory(bytes);
  return address;
}

function outOfMemory(bytes: number): PlaygroundError {
  return new PlaygroundError(
    'out-of-memory',
    `The wasm heap has no room for another ${bytes} bytes.`,
    'Use smaller batches or shorter sequences, or a smaller model.',
  );
}

/** Where a tensor's elements lie. */
export function address({ dataId }: tf.TensorInfo): number {
  return wasmBackend().dataIdMap.get(dataId).memoryOffset;
}

/** A new tensor, its elements not set. */
export function output(shape: number[], dtype: 'float32' | 'int32' = 'float32'): tf.TensorInfo {
  const info = wasmBackend().makeOutput(shape, dtype);
  const elements = shape.reduce((product, size) => product * size, 1);
  if (elements > 0 && address(info) === 0) throw outOfMemory(4 * elements);
  return info;
}

async function loadModule(shared: boolean): Promise<WebAssembly.Module> {
  const url = shared
    ? new URL('./build/kernels-threads.wasm', import.meta.url)
    : new URL('./build/kernels.wasm', import.meta.url);
  if (url.protocol === 'file:') {
    // Under Node, which fetches no files.
    return WebAssembly.compile(process.getBuiltinModule('node:fs').readFileSync(url));
  }
  return WebAssembly.compileStreaming(fetch(url));
}
