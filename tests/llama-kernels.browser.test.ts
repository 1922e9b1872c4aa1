// RMSNorm, rotary positions and the gated MLP: the kernels of both backends against the plain tfjs ops on the CPU,
// forward and gradient, at sizes that no vector or workgroup divides.

import { describe, expect, test } from 'vitest';
import { rmsNorm } from '../src/engine/ops/rms-norm';
import { rotary } from '../src/engine/ops/rotary';
import { swiglu } from '../src/engine/ops/swiglu';
import { normals } from '../src/engine/random';
import { hasKernel, tf } from '../src/engine/tf';
import { DEVICES, hold, random, useDevice, withGradients } from './kernels';

const matrix = (N: number, C: number, word: string) => random([N, C], word) as tf.Tensor2D;

describe.each(DEVICES)('%s', (device) => {
  useDevice(device);

  test('each has a kernel', () => {
    const names = ['RmsNorm', 'RmsNormGrad', 'Rotary', 'Swiglu', 'SwigluGrad'];
    expect(names.filter((name) => !hasKernel(name))).toEqual([]);
  });

  test.each([
    [1, 1],
    [3, 5],
    [70, 33],
    [129, 64],
  ])('RMSNorm of %i × %i', async (N, C) => {
    await hold(() => withGradients((x) => rmsNorm(x, random([C], 'gamma'), 1e-6), [matrix(N, C, 'x')]));
  });

  test.each([
    [1, 1, 2, 2],
    [5, 3, 6, 4],
    [70, 2, 10, 10],
    [33, 4, 64, 16],
  ])('rotary of %i rows, %i heads of %i, %i of them turned', async (N, heads, size, turned) => {
    // On the host: a GPU's cosine is coarse.
    const angles = normals((N * turned) / 2, 'angle').map((angle) => 3 * angle);
    const of = (f: (angle: number) => number) => tf.tensor2d(angles.map(f), [N, turned / 2]);
    await hold(() =>
      withGradients((x) => rotary(x, of(Math.cos), of(Math.sin), heads), [matrix(N, heads * size, 'x')]),
    );
  });

  test.each([
    [1, 1],
    [7, 11],
    [150, 130],
  ])('SwiGLU of %i × %i', async (N, C) => {
    const gate = (x: tf.Tensor2D, up: tf.Tensor2D) => swiglu(tf.mul(x, 9), up);
    await hold(() => withGradients(gate, [matrix(N, C, 'x'), matrix(N, C, 'up')]));
  });
});
