// RMSNorm, rotary positions and the gated MLP: the kernels of both backends against the plain tfjs ops on the CPU,
// forward and gradient, at sizes that no vector or workgroup divides.

import { afterEach, describe, expect, test } from 'vitest';
import { onDeviceProblem, openDevice } from '../src/engine/device';
import { rmsNorm } from '../src/engine/ops/rms-norm';
import { rotary } from '../src/engine/ops/rotary';
import { swiglu } from '../src/engine/ops/swiglu';
import { normals } from '../src/engine/random';
import { hasKernel, tf } from '../src/engine/tf';
import type { PlaygroundError } from '../src/shared/errors';

const problems: PlaygroundError[] = [];
onDeviceProblem((problem) => problems.push(problem));
afterEach(() => {
  expect(problems.splice(0)).toEqual([]);
});

const random = (shape: [number, number], word: string) =>
  tf.tensor2d(normals(shape[0] * shape[1], word, ...shape), shape);

/** f(inputs) and its gradients for a random dy. */
async function values(f: (...inputs: tf.Tensor2D[]) => tf.Tensor2D, shapes: [number, number][]) {
  const outputs = tf.tidy(() => {
    const inputs = shapes.map((shape, i) => random(shape, `x${i}`));
    const y = f(...inputs);
    return [y, ...tf.grads(f as (...inputs: tf.Tensor[]) => tf.Tensor)(inputs, random(y.shape, 'dy'))];
  });
  const result = (await Promise.all(outputs.map((output) => output.data()))) as Float32Array[];
  tf.dispose(outputs);
  return result;
}

async function hold(
  backend: 'wasm' | 'webgpu',
  f: (...inputs: tf.Tensor2D[]) => tf.Tensor2D,
  ...shapes: [number, number][]
): Promise<void> {
  await tf.setBackend('cpu');
  const expected = await values(f, shapes);
  await tf.setBackend(backend);
  const actual = await values(f, shapes);
  expected.forEach((reference, i) => {
    expect(actual[i]!.length).toBe(reference.length);
    const scale = reference.reduce((max, x) => Math.max(max, Math.abs(x)), 0.1);
    const error = reference.reduce((max, x, k) => Math.max(max, Math.abs(x - actual[i]![k]!)), 0);
    expect(error / scale, `${shapes.join(' · ')}, output ${i}`).toBeLessThanOrEqual(2e-5);
  });
}

describe.each(['wasm', 'webgpu'] as const)('%s', (backend) => {
  test('each has a kernel', async () => {
    await openDevice(backend);
    const names = ['RmsNorm', 'RmsNormGrad', 'Rotary', 'Swiglu', 'SwigluGrad'];
    expect(names.filter((name) => !hasKernel(name))).toEqual([]);
  });

  test.each([
    [1, 1],
    [3, 5],
    [70, 33],
    [129, 64],
  ])('RMSNorm of %i × %i', async (N, C) => {
    await openDevice(backend);
    const gamma = (): tf.Tensor1D => tf.tensor1d(normals(C, 'gamma'));
    await hold(backend, (x) => rmsNorm(x, gamma(), 1e-6), [N, C]);
  });

  test.each([
    [1, 1, 2, 2],
    [5, 3, 6, 4],
    [70, 2, 10, 10],
    [33, 4, 64, 16],
  ])('rotary of %i rows, %i heads of %i, %i of them turned', async (N, heads, size, turned) => {
    await openDevice(backend);
    // On the host: a GPU's cosine is coarse.
    const angles = normals((N * turned) / 2, 'angle').map((angle) => 3 * angle);
    const of = (f: (angle: number) => number) => tf.tensor2d(angles.map(f), [N, turned / 2]);
    await hold(backend, (x) => rotary(x, of(Math.cos), of(Math.sin), heads), [N, heads * size]);
  });

  test.each([
    [1, 1],
    [7, 11],
    [150, 130],
  ])('SwiGLU of %i × %i', async (N, C) => {
    await openDevice(backend);
    await hold(backend, (x, y) => swiglu(tf.mul(x, 9), y), [N, C], [N, C]);
  });
});
