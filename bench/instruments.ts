// The same measures of everyone, taken where all must pass: dispatches at the GPU's pass encoder, bytes where buffers
// and wasm memories are made. To be installed before any engine is loaded.

const gpu = { dispatches: 0, bytes: 0 };
const memories = new Set<WebAssembly.Memory>();

export const dispatches = (): number => gpu.dispatches;

/** Of GPU buffers not destroyed yet and of all wasm memories, those of peers' threads included as they are shared. */
export function allocatedBytes(): number {
  let sum = gpu.bytes;
  for (const { buffer } of memories) sum += buffer.byteLength;
  return sum;
}

export function install(): void {
  if ('GPUComputePassEncoder' in globalThis) countGpu();
  watchWasm();
}

/** Calls `before` ahead of every call of a method. */
function tap<O extends object>(prototype: O, name: keyof O, before: (self: O) => void): void {
  const original = prototype[name] as (this: O, ...args: unknown[]) => unknown;
  const tapped = function (this: O, ...args: unknown[]) {
    before(this);
    return original.apply(this, args);
  };
  Object.defineProperty(prototype, name, { value: tapped });
}

function countGpu(): void {
  const count = () => {
    gpu.dispatches++;
  };
  tap(GPUComputePassEncoder.prototype, 'dispatchWorkgroups', count);
  tap(GPUComputePassEncoder.prototype, 'dispatchWorkgroupsIndirect', count);
  const live = new WeakSet<GPUBuffer>();
  const create = Object.getOwnPropertyDescriptor(GPUDevice.prototype, 'createBuffer')?.value as (
    this: GPUDevice,
    descriptor: GPUBufferDescriptor,
  ) => GPUBuffer;
  GPUDevice.prototype.createBuffer = function (this: GPUDevice, descriptor) {
    const buffer = create.call(this, descriptor);
    live.add(buffer);
    gpu.bytes += descriptor.size;
    return buffer;
  };
  tap(GPUBuffer.prototype, 'destroy', (buffer) => {
    if (live.delete(buffer)) gpu.bytes -= buffer.size;
  });
}

function watchWasm(): void {
  const { Memory, instantiate, instantiateStreaming } = WebAssembly;
  WebAssembly.Memory = new Proxy(Memory, {
    construct: (target, args: [WebAssembly.MemoryDescriptor]) => {
      const memory = new target(...args);
      memories.add(memory);
      return memory;
    },
  });
  const note = <T extends WebAssembly.Instance | WebAssembly.WebAssemblyInstantiatedSource>(result: T): T => {
    const instance = result instanceof WebAssembly.Instance ? result : result.instance;
    for (const value of Object.values(instance.exports)) if (value instanceof Memory) memories.add(value);
    return result;
  };
  const noted = (original: typeof instantiate | typeof instantiateStreaming) =>
    (async (...args: Parameters<typeof original>) =>
      note(await (original as (...args: unknown[]) => Promise<WebAssembly.Instance>)(...args))) as never;
  WebAssembly.instantiate = noted(instantiate);
  WebAssembly.instantiateStreaming = noted(instantiateStreaming);
}
