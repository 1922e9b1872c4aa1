// Every WGSL kernel against its reference of plain tfjs ops, forward and gradient, on random shapes. The same op
// function is called on both backends: on webgpu it takes the kernel, on tfjs's cpu backend there is none and it
// takes the reference. Each case runs twice, the second time into buffers full of NaN: the bits must be the same.
import fc from 'fast-check';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { onDeviceProblem, openDevice } from '../src/engine/device';
import { matmul } from '../src/engine/ops/matmul';
import { webgpuBackend } from '../src/engine/private';
import { normals } from '../src/engine/random';
import { hasKernel, tf } from '../src/engine/tf';
import type { PlaygroundError } from '../src/shared/errors';

const problems: PlaygroundError[] = [];
onDeviceProblem((problem) => problems.push(problem));

beforeAll(async () => {
  await openDevice('webgpu');
});

afterEach(async () => {
  await tf.setBackend('webgpu');
  await webgpuBackend().queue.onSubmittedWorkDone();
  expect(problems.splice(0).map((problem) => problem.message)).toEqual([]);
});

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

/** Holds what `run` returns on webgpu to what it returns on cpu: max|Δ| ≤ tolerance · max|reference|, each tensor. */
async function hold(run: () => tf.Tensor[], tolerance = 2e-5): Promise<void> {
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
    const scale = reference.reduce((max, x) => Math.max(max, Math.abs(x)), 1e-6);
    const error = got.reduce((max, x, k) => {
      const delta = Math.abs(x - reference[k]!);
      return Number.isNaN(delta) ? Infinity : Math.max(max, delta);
    }, 0);
    expect(error / scale, `output ${i}`).toBeLessThanOrEqual(tolerance);
  });
}

const random = (shape: number[], ...words: (number | string)[]) =>
  tf.tensor(
    normals(
      shape.reduce((a, b) => a * b, 1),
      ...words,
    ),
    shape,
  );

/** f(inputs), then its gradients for a random dy. */
function withGradients<T extends tf.Tensor>(f: (...inputs: T[]) => tf.Tensor, inputs: T[]): tf.Tensor[] {
  const y = f(...inputs);
  const dy = random(y.shape, 'dy');
  return [y, ...tf.grads((...xs: tf.Tensor[]) => f(...(xs as T[])))(inputs, dy)];
}

const extent = fc.oneof(fc.constantFrom(1, 4, 8, 64), fc.integer({ min: 1, max: 70 }));

test('MatMul: every transposition, scale and add, with gradients', async () => {
  expect(hasKernel('MatMul')).toBe(true);
  const shapes = fc.record({
    M: extent,
    N: extent,
    K: extent,
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
    addRank: fc.constantFrom(0, 1, 2),
  });
  await fc.assert(
    fc.asyncProperty(shapes, async ({ M, N, K, transposeA, transposeB, addRank }) => {
      await hold(() => {
        const a = random(transposeA ? [K, M] : [M, K], 'a') as tf.Tensor2D;
        const b = random(transposeB ? [N, K] : [K, N], 'b') as tf.Tensor2D;
        const add = addRank === 0 ? [] : [random(addRank === 1 ? [N] : [M, N], 'add') as tf.Tensor2D];
        return withGradients(
          (x, y, z) => matmul(x!, y!, { transposeA, transposeB, scale: 0.7, ...(z ? { add: z } : {}) }),
          [a, b, ...add],
        );
      });
    }),
    { numRuns: 60, seed: 1 },
  );
});

test.each([
  [256, 260, 36, false, true],
  [300, 1030, 37, false, false],
  [512, 64, 1030, true, false], // K in slices
  [8, 256, 2047, true, false],
  [16, 8, 2048, false, true],
])('MatMul: large tiles and slices of K, %i × %i × %i', async (M, N, K, transposeA, transposeB) => {
  await hold(() => {
    const a = random(transposeA ? [K, M] : [M, K], 'a') as tf.Tensor2D;
    const b = random(transposeB ? [N, K] : [K, N], 'b') as tf.Tensor2D;
    return [matmul(a, b, { transposeA, transposeB, scale: 2, add: random([N], 'add') })];
  });
});
