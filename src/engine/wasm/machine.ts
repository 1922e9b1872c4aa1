// Runs the kernels of assembly/ over tfjs's memory: loads the module, hands it arguments and scratch, and shares the
// units of a job among threads where the memory is shared.

import { PlaygroundError } from '../../shared/errors';
import { wasmBackend } from '../private';
import type { tf } from '../tf';
import type { Kernel } from './assembly/kernels';
import { kernelVariant } from './variant';

/** What assembly/ exports; `share` and `serve` in the variant for shared memory only. Addresses and sizes in bytes. */
export interface Exports {
  scratchBytes(): number;
  run(kernel: Kernel, args: number, begin: number, end: number, scratch: number): void;
  share?(
    control: number,
    kernel: Kernel,
    args: number,
    units: number,
    threads: number,
    scratch: number,
    scratchSize: number,
    mayWait: boolean,
  ): void;
  serve?(control: number, thread: number): never;
}

/** What a thread is told when it starts. */
export interface ThreadStart {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  control: number;
  thread: number;
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
const FLOAT_BYTES = 64;
/** Of the block through which threads talk, see assembly/pool.ts; aligned to cache lines. */
const CONTROL_BYTES = 256;
const LINE = 64;

export class Machine {
  readonly #module: WebAssembly.Module;
  readonly #memory: WebAssembly.Memory;
  readonly #exports: Exports;
  #args = 0;
  #argumentBytes = 0;
  readonly #control: number;
  #words: Int32Array;
  #floats: Float64Array;
  #scratch = 0;
  /** Bytes of scratch a thread, and the threads that have some. */
  #scratchSize = 0;
  #scratchThreads = 0;
  /** Threads that run, the caller's among them, and how many of them to use. */
  #started = 1;
  #threads = 1;
  // A window may not sleep.
  readonly #mayWait = !('document' in globalThis);

  private constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, exports: Exports) {
    this.#module = module;
    this.#memory = memory;
    this.#exports = exports;
    this.#control = (allocate(CONTROL_BYTES + LINE) + LINE - 1) & -LINE;
    this.#words = new Int32Array(memory.buffer);
    this.#floats = new Float64Array(memory.buffer);
    this.#words.fill(0, this.#control >>> 2, (this.#control + CONTROL_BYTES) >>> 2);
  }

  /** For the wasm backend in use. */
  static async open(): Promise<Machine> {
    const { wasm } = wasmBackend();
    const memory = wasm.wasmMemory ?? wasm.asm?.memory;
    if (!memory)
      throw new PlaygroundError('bug', 'The wasm backend has no memory to share.', 'Please report this.');
    const module = await loadModule(wasm.wasmMemory !== undefined);
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    return new Machine(module, memory, exports as unknown as Exports);
  }

  /** Threads in use, the caller's among them. */
  get threads(): number {
    return this.#threads;
  }

  /** Uses up to `threads` threads, starting those that are missing; returns how many there are. */
  async useThreads(threads: number): Promise<number> {
    const wanted = this.#exports.share ? Math.max(1, threads) : 1;
    const starts: Promise<void>[] = [];
    for (let thread = this.#started; thread < wanted; thread++) starts.push(this.#start(thread));
    // Where one may not start, the others do its work; no result depends on their number.
    const results = await Promise.allSettled(starts);
    this.#started += results.filter(({ status }) => status === 'fulfilled').length;
    this.#threads = Math.min(wanted, this.#started);
    return this.#threads;
  }

  #start(thread: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./thread.ts', import.meta.url), {
        type: 'module',
        name: `kernels ${thread}`,
      });
      worker.onmessage = () => resolve();
      worker.onerror = ({ message }) => reject(new Error(message));
      const start: ThreadStart = {
        module: this.#module,
        memory: this.#memory,
        control: this.#control,
        thread,
      };
      worker.postMessage(start);
    });
  }

  run({ kernel, floats = [], integers, units, scratch = 0 }: Job): void {
    if (units === 0) return;
    this.#reserve(this.#exports.scratchBytes() + scratch);
    this.#reserveArguments(FLOAT_BYTES + 4 * integers.length);
    if (this.#words.buffer !== this.#memory.buffer) {
      this.#words = new Int32Array(this.#memory.buffer);
      this.#floats = new Float64Array(this.#memory.buffer);
    }
    this.#floats.set(floats, this.#args >>> 3);
    this.#words.set(integers, (this.#args >>> 2) + 2 * FLOATS);
    if (units === 1 || this.#threads === 1) this.#exports.run(kernel, this.#args, 0, units, this.#scratch);
    else {
      const size = this.#scratchSize;
      const job = [this.#control, kernel, this.#args, units, this.#threads] as const;
      this.#exports.share?.(...job, this.#scratch, size, this.#mayWait);
    }
  }

  /** Makes sure that every thread has `bytes` of scratch. */
  #reserve(bytes: number): void {
    if (bytes <= this.#scratchSize && this.#threads <= this.#scratchThreads) return;
    if (this.#scratch !== 0) wasmBackend().wasm._free(this.#scratch);
    this.#scratchSize = Math.max(this.#scratchSize, Math.ceil(bytes / LINE) * LINE);
    this.#scratchThreads = this.#threads;
    this.#scratch = allocate(this.#scratchSize * this.#threads);
  }

  #reserveArguments(bytes: number): void {
    if (bytes <= this.#argumentBytes) return;
    if (this.#args !== 0) wasmBackend().wasm._free(this.#args);
    this.#argumentBytes = Math.ceil(bytes / 1024) * 1024;
    this.#args = allocate(this.#argumentBytes);
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
  // Written out, as the bundler finds them.
  const [threaded, plain] =
    kernelVariant() === 'fused'
      ? [
          new URL('./build/kernels-threads-fused.wasm', import.meta.url),
          new URL('./build/kernels-fused.wasm', import.meta.url),
        ]
      : [
          new URL('./build/kernels-threads.wasm', import.meta.url),
          new URL('./build/kernels.wasm', import.meta.url),
        ];
  const url = shared ? threaded : plain;
  if (url.protocol === 'file:') {
    // Under Node, which fetches no files.
    return WebAssembly.compile(globalThis.process.getBuiltinModule('node:fs').readFileSync(url));
  }
  return WebAssembly.compileStreaming(fetch(url));
}
