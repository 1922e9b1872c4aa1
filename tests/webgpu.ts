// What the tests of the WGSL kernels share: the device, the comparison with the reference on tfjs's cpu backend, and
// the check that the GPU reported no error.
import fc from 'fast-check';
import { afterEach, beforeAll, expect } from 'vitest';
import { onDeviceProblem, openDevice } from '../src/engine/device';
import { webgpuBackend } from '../src/engine/private';
import { normals, uniform } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import type { PlaygroundError } from '../src/shared/errors';

const problems: PlaygroundError[] = [];
onDeviceProblem((problem) => problems.push(problem));

/** Opens the GPU before the tests of a file, and fails each test in which the GPU reported an error. */
export function useGPU(): void {
  beforeAll(async () => {
    await openDevice('webgpu');
  });
  afterEach(async () => {
    await tf.setBackend('webgpu');
    await webgpuBackend().queue.onSubmittedWorkDone();
    expect(problems.splice(0).map((problem) => problem.message)).toEqual([]);
  });
}

async function read(run: () => tf.Tensor[]): Promise<Float32Array[]> {
  const outputs = tf.tidy(run);
  const values = await Promise.all(outputs.map((x) => x.data()));
  tf.dispose(outputs);
  return values as Float32Array[];
}

/** Fills every free buffer of the pool with bytes 255: NaN as float, −1 as integer. */
function poison(): void {
  const { bufferManager, queue } = webgpuBackend();
  for (const buffers of bufferManager.freeBuffers.values()) {
    for (const buffer of buffers) {
      if (buffer.usage & GPUBufferUsage.STORAGE)
        queue.writeBuffer(buffer, 0, new Uint8Array(buffer.size).fill(255));
    }
  }
}

/**
 * Holds what `run` returns on webgpu to what it returns on cpu: max|Δ| ≤ tolerance · max|reference|, each tensor, where
 * a reference below 0.1 counts as 0.1: inputs are of the order of 1, and where a gradient vanishes their rounding stays.
 */
export async function hold(run: () => tf.Tensor[], tolerance = 2e-5): Promise<void> {
  await tf.setBackend('cpu');
  const expected = await read(run);
  await tf.setBackend('webgpu');
  const first = await read(run);
  poison();
  const second = await read(run);
  expected.forEach((reference, i) => {
    const got = first[i]!;
    expect(got.length).toBe(reference.length);
    expect(second[i]).toEqual(got);
    const scale = reference.reduce((max, x) => Math.max(max, Math.abs(x)), 0.1);
    const error = got.reduce((max, x, k) => {
      const delta = Math.abs(x - reference[k]!);
      return Number.isNaN(delta) ? Infinity : Math.max(max, delta);
    }, 0);
    expect(error / scale, `output ${i}`).toBeLessThanOrEqual(tolerance);
  });
}

export const random = (shape: number[], ...words: (number | string)[]) =>
  tf.tensor(
    normals(
      shape.reduce((a, b) => a * b, 1),
      ...words,
    ),
    shape,
  );

/** f(inputs), then its gradients for a random dy. */
export function withGradients<T extends tf.Tensor>(
  f: (...inputs: T[]) => tf.Tensor,
  inputs: T[],
): tf.Tensor[] {
  const y = f(...inputs);
  const dy = random(y.shape, 'dy');
  return [y, ...tf.grads((...xs: tf.Tensor[]) => f(...(xs as T[])))(inputs, dy)];
}

/** Calls the property with random values, the same ones in every run. */
export const property = <T>(values: fc.Arbitrary<T>, holds: (value: T) => Promise<void>, numRuns: number) =>
  fc.assert(fc.asyncProperty(values, holds), { numRuns, seed: 1 });

export const integers = (length: number, below: number, word: string) =>
  Int32Array.from({ length }, (_, i) => Math.floor(uniform(word, i) * below));

export const extent = fc.oneof(fc.constantFrom(1, 4, 8, 64), fc.integer({ min: 1, max: 70 }));

/** A variable that is the only owner of the tensor's buffer. */
export function variable(x: tf.Tensor): tf.Variable {
  const made = tf.variable(x);
  x.dispose();
  return made;
}

/** max|Δ| of two tensors computed on the GPU, for cases too large for the cpu backend. */
export async function difference(pair: () => tf.Tensor[]): Promise<number> {
  const worst = tf.tidy(() => {
    const [x, y] = pair() as [tf.Tensor, tf.Tensor];
    return tf.max(tf.abs(tf.sub(x, y)));
  });
  const value = (await worst.data())[0]!;
  worst.dispose();
  return value;
}
