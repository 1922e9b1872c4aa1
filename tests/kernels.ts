// What the tests of our kernels share: a device whose buffers start full of NaN, and the comparison of what an op gives
// there with what the same op gives on tfjs's cpu backend, where it has no kernel and takes its reference.
import fc from 'fast-check';
import { afterAll, beforeAll, expect } from 'vitest';
import { download } from '../src/engine/download';
import { openDevice } from '../src/engine/device';
import { sample, type Sampled, type SampleOptions } from '../src/engine/ops/sample';
import { wasmBackend, webgpuBackend } from '../src/engine/private';
import { normals, uniform } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import { computeAs } from '../src/engine/webgpu/adapter';

/** The devices that a test may run on: WebGPU laid out for a software adapter and, on the same, as for a GPU. */
export const DEVICES = ['webgpu', 'webgpu as on a GPU', 'wasm'] as const;

/** Opens the device before the tests of a file or a `describe`, its buffers poisoned. */
export function useDevice(device: (typeof DEVICES)[number]): void {
  beforeAll(async () => {
    await openDevice(device === 'wasm' ? 'wasm' : 'webgpu');
    if (device === 'wasm') return poisonWasm();
    poisonWebGPU();
    computeAs({ software: device === 'webgpu' });
  });
}

const poisoned = new WeakSet<object>();

/** Every buffer a tensor gets is full of bytes 255 (NaN as float, −1 as integer), whether it is new or used again. */
function poisonWebGPU(): void {
  const { bufferManager, queue } = webgpuBackend();
  if (poisoned.has(bufferManager)) return;
  poisoned.add(bufferManager);
  const acquire = bufferManager.acquireBuffer.bind(bufferManager);
  let bytes = new Uint8Array(0);
  bufferManager.acquireBuffer = (size, usage, ...rest) => {
    const buffer = acquire(size, usage, ...rest);
    if ((usage & GPUBufferUsage.STORAGE) === 0 || buffer.mapState !== 'unmapped') return buffer;
    if (bytes.length < size) bytes = new Uint8Array(size).fill(255);
    queue.writeBuffer(buffer, 0, bytes, 0, size);
    return buffer;
  };
}

/** Every output of a kernel, tfjs's own among them, starts as NaN. */
function poisonWasm(): void {
  const backend = wasmBackend();
  if (poisoned.has(backend)) return;
  poisoned.add(backend);
  const makeOutput = backend.makeOutput.bind(backend);
  backend.makeOutput = (...args) => {
    const info = makeOutput(...args);
    if (info.dtype === 'bool') return info; // one byte an element
    const { memoryOffset } = backend.dataIdMap.get(info.dataId);
    const memory = backend.wasm.wasmMemory ?? backend.wasm.asm!.memory;
    new Uint32Array(memory.buffer, memoryOffset, tf.util.sizeFromShape(info.shape)).fill(0x7fc00000);
    return info;
  };
}

/** For the tests of a `describe`: the GPU says that it has no more than these. */
export function useLimits(fewer: Partial<Record<keyof GPUSupportedLimits, number>>): void {
  beforeAll(() => {
    const { device } = webgpuBackend();
    const { limits } = device;
    const get = (_: object, name: keyof GPUSupportedLimits) => fewer[name] ?? limits[name];
    Object.defineProperty(device, 'limits', { value: new Proxy({}, { get }), configurable: true });
  });
  afterAll(() => {
    Reflect.deleteProperty(webgpuBackend().device, 'limits');
  });
}

async function read(run: () => tf.Tensor[]): Promise<Float32Array[]> {
  const outputs = tf.tidy(run);
  const values = await Promise.all(outputs.map((x) => x.data()));
  tf.dispose(outputs);
  return values as Float32Array[];
}

/** max|a − b| over max|b|, the latter at least `floor`; ∞ where a NaN is in only one of them. */
export function errorOf(a: ArrayLike<number>, b: ArrayLike<number>, floor = 0): number {
  expect(a.length).toBe(b.length);
  let [delta, largest] = [0, floor];
  for (let i = 0; i < b.length; i++) {
    const difference = Object.is(a[i], b[i]) ? 0 : Math.abs(a[i]! - b[i]!);
    delta = Math.max(delta, Number.isNaN(difference) ? Infinity : difference);
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return delta === 0 ? 0 : delta / largest;
}

/**
 * Holds what `run` returns on the device in use to what it returns on cpu: max|Δ| ≤ tolerance · max|reference|, each
 * tensor, where a reference below 0.1 counts as 0.1: inputs are of the order of 1, and where a gradient vanishes their
 * rounding stays. The same a second time gives the same bits.
 */
export async function hold(run: () => tf.Tensor[], tolerance = 2e-5): Promise<void> {
  const device = tf.getBackend();
  await tf.setBackend('cpu');
  const expected = await read(run).finally(() => tf.setBackend(device));
  const first = await read(run);
  const second = await read(run);
  first.forEach((values, i) => expect(errorOf(second[i]!, values), `output ${i}, again`).toBe(0));
  expected.forEach((reference, i) => {
    expect(errorOf(first[i]!, reference, 0.1), `output ${i}`).toBeLessThanOrEqual(tolerance);
  });
}

export const random = (shape: number[], ...words: (number | string)[]) =>
  tf.tensor(normals(tf.util.sizeFromShape(shape), ...words), shape);

/** As `random`, quickly: the same few thousand numbers, a prime many, over and over. */
export function repeated(shape: number[], ...words: (number | string)[]): tf.Tensor {
  const few = normals(4099, ...words);
  const size = tf.util.sizeFromShape(shape);
  const all = new Float32Array(size);
  for (let at = 0; at < size; at += few.length) all.set(few.subarray(0, size - at), at);
  return tf.tensor(all, shape);
}

/** f(inputs), then its gradients for a random dy. */
export function withGradients<T extends tf.Tensor>(
  f: (...inputs: T[]) => tf.Tensor,
  inputs: T[],
  dyOf: (shape: number[]) => tf.Tensor = (shape) => random(shape, 'dy'),
): tf.Tensor[] {
  const y = f(...inputs);
  return [y, ...tf.grads((...xs: tf.Tensor[]) => f(...(xs as T[])))(inputs, dyOf(y.shape))];
}

/** Calls the property with random values, the same ones in every run. */
export const property = <T>(values: fc.Arbitrary<T>, holds: (value: T) => Promise<void>, numRuns: number) =>
  fc.assert(fc.asyncProperty(values, holds), { numRuns, seed: 1 });

export const integers = (length: number, below: number, word: string) =>
  Int32Array.from({ length }, (_, i) => Math.floor(uniform(word, i) * below));

export const extent = fc.oneof(fc.constantFrom(1, 4, 8, 64), fc.integer({ min: 1, max: 70 }));

/** Draws with `sample` and reads what was drawn. */
export async function sampled(
  logits: tf.Tensor2D,
  uniforms: Float32Array,
  options: SampleOptions,
): Promise<Sampled> {
  const { ids, logprobs } = tf.tidy(() => {
    // Not at the beginning, where a missing offset would not show.
    const all = tf.tensor1d([0.5, ...uniforms]);
    return { ...sample(logits, all, options, 1) };
  });
  const read = Promise.all([download<Int32Array>(ids), download(logprobs)]);
  tf.dispose([ids, logprobs]);
  const [drawn, told] = await read;
  return { ids: drawn, logprobs: told };
}

/** A variable that is the only owner of the tensor's buffer. */
export function variable(x: tf.Tensor): tf.Variable {
  const made = tf.variable(x);
  x.dispose();
  return made;
}
