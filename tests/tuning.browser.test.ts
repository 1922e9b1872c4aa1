// The tile of the matrix product is chosen by measuring, so it must not change a single bit of what is computed.
import { expect, test } from 'vitest';
import { matmul } from '../src/engine/ops/matmul';
import { tokenLogprobs } from '../src/engine/ops/token-logprobs';
import { tf } from '../src/engine/tf';
import { adapterTraits, computeAs } from '../src/engine/webgpu/adapter';
import {
  DEFAULT_CHOICE,
  isKernelChoice,
  kernelChoice,
  type Tile,
  TILES,
  useKernels,
} from '../src/engine/webgpu/tiles';
import { tuneKernels } from '../src/engine/webgpu/tune';
import { integers, random, useDevice, withGradients } from './kernels';

useDevice('webgpu');

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
  [72, 1024, 64, true, true],
  [260, 132, 20, true, false],
  [68, 132, 20, false, false],
])('%i × %i × %i: every tile gives the same bits', async (M, N, K, transposeA, transposeB) => {
  const expected = await product(M, N, K, transposeA, transposeB);
  expect(expected.some((value) => value !== 0)).toBe(true);
  for (const tile of Object.keys(TILES) as Tile[]) {
    useKernels({ ...DEFAULT_CHOICE, small: tile, medium: tile, large: tile });
    expect(await product(M, N, K, transposeA, transposeB), tile).toEqual(expected);
  }
  useKernels(DEFAULT_CHOICE);
});

test('token log-probabilities and their gradient: every tile gives the same bits', async () => {
  const run = async () => {
    const results = tf.tidy(() => {
      const [hidden, head] = [random([37, 20], 'hidden'), random([300, 20], 'head')] as tf.Tensor2D[];
      const ids = tf.tensor1d(integers(37, 300, 'ids'), 'int32');
      return withGradients((x) => tokenLogprobs(x, head!, ids, 0.7).logprobs, [hidden!]);
    });
    const values = await Promise.all(results.map((x) => x.data()));
    tf.dispose(results);
    return values;
  };
  const expected = await run();
  for (const tile of Object.keys(TILES) as Tile[]) {
    useKernels({ ...DEFAULT_CHOICE, small: tile, medium: tile, large: tile });
    expect(await run(), tile).toEqual(expected);
  }
  useKernels(DEFAULT_CHOICE);
});

test.each([
  [8, 256, 1030, true, false],
  [33, 64, 300, false, true],
  [5, 300, 1024, false, false],
])('%i × %i × %i: slices of K shared by invocations give the same bits', async (...shape) => {
  const expected = await product(...shape);
  computeAs({ software: false });
  expect(await product(...shape)).toEqual(expected);
  computeAs({ software: true });
});

test.each([
  [1, 300, 64],
  [3, 37, 1028],
  [11, 64, 260],
])('%i × %i × %i: rows added up within subgroups and without give the same bits', async (M, N, K) => {
  const { subgroup } = adapterTraits();
  expect(subgroup).toBeGreaterThan(1);
  computeAs({ software: false });
  const expected = await product(M, N, K, false, true);
  computeAs({ subgroup: 1 });
  expect(await product(M, N, K, false, true)).toEqual(expected);
  computeAs({ software: true, subgroup });
});

test('tuning chooses among the tiles, leaves the ones in use, and no tensor', async () => {
  const before = tf.memory().numTensors;
  const chosen = { small: '4x8', medium: '8x4', large: '4x8', halves: true } as const;
  useKernels(chosen);
  expect(isKernelChoice(await tuneKernels())).toBe(true);
  expect(kernelChoice()).toEqual(chosen);
  expect(tf.memory().numTensors).toBe(before);
  useKernels(DEFAULT_CHOICE);
});
