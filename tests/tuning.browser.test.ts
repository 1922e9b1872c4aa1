// The tile of the matrix product is chosen by measuring, so it must not change a single bit of what is computed.
import { expect, test } from 'vitest';
import { matmul } from '../src/engine/ops/matmul';
import { tf } from '../src/engine/tf';
import {
  DEFAULT_CHOICE,
  isKernelChoice,
  kernelChoice,
  type Tile,
  TILES,
  useKernels,
} from '../src/engine/webgpu/tiles';
import { tuneKernels } from '../src/engine/webgpu/tune';
import { sliceSerially } from '../src/engine/webgpu/tiling';
import { random, useGPU } from './webgpu';

useGPU();

async function product(M: number, N: number, K: number, transposeA: boolean, transposeB: boolean) {
  const result = tf.tidy(() => {
    const a = random(transposeA ? [K, M] : [M, K], 'a') as tf.Tensor2D;
    const b = random(transposeB ? [N, K] : [K, N], 'b') as tf.Tensor2D;
    return matmul(a, b, { transposeA, transposeB, scale: 0.5 });
  });
  const values = await result.data();
  result.dispose();
  return values;
}

test.each([
  [260, 256, 64, false, true],
  [257, 259, 37, false, false],
  [33, 64, 300, false, true],
  [512, 129, 70, true, false],
  [8, 256, 1030, true, false], // K in slices
  [1, 300, 64, false, true],
])('%i × %i × %i: every tile gives the same bits', async (M, N, K, transposeA, transposeB) => {
  const expected = await product(M, N, K, transposeA, transposeB);
  expect(expected.some((value) => value !== 0)).toBe(true);
  for (const tile of Object.keys(TILES) as Tile[]) {
    useKernels({ small: tile, large: tile });
    expect(await product(M, N, K, transposeA, transposeB), tile).toEqual(expected);
  }
  useKernels(DEFAULT_CHOICE);
  sliceSerially(false); // as on a GPU, where invocations share the slices of K
  expect(await product(M, N, K, transposeA, transposeB), 'shared slices').toEqual(expected);
  sliceSerially(true);
});

test('tuning chooses among the tiles, leaves the ones in use, and no tensor', async () => {
  const before = tf.memory().numTensors;
  useKernels({ small: '4x8', large: '4x8' });
  expect(isKernelChoice(await tuneKernels())).toBe(true);
  expect(kernelChoice()).toEqual({ small: '4x8', large: '4x8' });
  expect(tf.memory().numTensors).toBe(before);
  useKernels(DEFAULT_CHOICE);
});
