// Packed base weights on both backends: the kernels against what the host unpacks, products and gradients through
// them, and what four bits cost the bundled model.

import { describe, expect, test } from 'vitest';
import { openDevice } from '../src/engine/device';
import { dequantize, dequantizeReference, type Packing } from '../src/engine/ops/dequantize';
import { linear } from '../src/engine/ops/linears';
import { matmul } from '../src/engine/ops/matmul';
import { normals } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import { divergence } from '../src/evaluate/divergence';
import { disposeModel, loadModel } from '../src/model/load';
import { packMatrix } from '../src/model/quantize';
import { adapterTraits, computeAs } from '../src/engine/webgpu/adapter';
import { DEFAULT_CHOICE, useKernels } from '../src/engine/webgpu/tiles';
import { directory } from './browser-files';
import { DEVICES, errorOf, useDevice } from './kernels';

const packings: Packing[] = ['float16', 'int8', 'nf4', 'nf4_double'];
const shapes: [number, number][] = [
  [1, 1],
  [3, 5],
  [9, 64],
  [31, 33],
  [300, 129],
];

describe('webgpu', () => {
  useDevice('webgpu');

  test('float16 read as such, where the adapter can, and unpacked give the same bits', async () => {
    const { half } = adapterTraits();
    const weights = normals(96 * 132, 1).map((z, i) => (i % 7 === 0 ? 3e-6 : z)); // some subnormal halves
    const weight = packMatrix(weights, [132, 96], 'float16');
    for (const software of [true, false]) {
      for (const rows of [1, 40]) {
        const x = tf.tensor2d(normals(rows * 96, 2), [rows, 96]);
        const product = () => linear(x, { weight, fanInFanOut: false }).data();
        computeAs({ software });
        const unpacked = await product();
        useKernels({ ...DEFAULT_CHOICE, halves: true });
        expect(await product()).toEqual(unpacked);
        computeAs({ half: false });
        expect(await product()).toEqual(unpacked);
        useKernels(DEFAULT_CHOICE);
        computeAs({ software: true, half });
      }
    }
  });
});

describe.each(DEVICES)('%s', (device) => {
  useDevice(device);

  test.each(packings)('%s is unpacked as on the host', async (packing) => {
    const backend = tf.getBackend();
    for (const shape of shapes) {
      const values = normals(shape[0] * shape[1], 7, shape[0]);
      values[0] = 3e-6; // a subnormal half
      const matrix = packMatrix(values, shape, packing);
      const kernel = dequantize(matrix);
      const whole = await kernel.data();
      const words = (await matrix.packed.data()) as Int32Array;
      const scales = (await matrix.scales.data()) as Float32Array | Int32Array;
      await tf.setBackend('cpu');
      const packed = {
        ...matrix,
        packed: tf.tensor1d(words, 'int32'),
        scales: tf.tensor1d(scales, matrix.scales.dtype),
      };
      const expected = await dequantizeReference(packed).data();
      await tf.setBackend(backend);
      expect(errorOf(whole, expected)).toBeLessThanOrEqual(
        packing === 'int8' || packing === 'nf4_double' ? 2e-7 : 0,
      );
    }
  });

  // What is made of fours is read as it lies, what is not is unpacked first; one row and few; K in slices either way.
  test.each([
    [40, 132, 96],
    [40, 130, 96],
    [40, 64, 30],
    [1, 132, 96],
    [1, 64, 1024],
    [3, 512, 260],
  ])('%i rows through packed matrices of %i × %i, and their gradients', async (rows, outputs, inputs) => {
    for (const packing of packings) {
      const matrix = packMatrix(normals(inputs * outputs, 1), [outputs, inputs], packing);
      const x = tf.tensor2d(normals(rows * inputs, 2), [rows, inputs]);
      const dy = tf.tensor2d(normals(rows * outputs, 3), [rows, outputs]);
      const bias = tf.tensor1d(normals(outputs, 4));
      const layer = { weight: matrix, bias, fanInFanOut: false };
      const before = tf.memory().numTensors;
      const y = linear(x, layer);
      expect(tf.memory().numTensors).toBe(before + 1);
      const dx = tf.grad((a) => linear(a as tf.Tensor2D, layer))(x, dy);
      expect(tf.memory().numTensors).toBe(before + 2);
      const whole = dequantize(matrix);
      const expected = matmul(x, whole, { transposeB: true, add: bias });
      expect(errorOf(await y.data(), await expected.data()), packing).toBeLessThanOrEqual(1e-6);
      expect(errorOf(await dx.data(), await matmul(dy, whole).data()), packing).toBeLessThanOrEqual(1e-6);
    }
  });
});

test('what each packing costs the bundled model', { timeout: 120_000 }, async () => {
  await openDevice('wasm');
  const before = tf.memory().numTensors;
  const read = directory('../models/stories-neo');
  const rows = await (await fetch('/experiments/kind-endings/sft.jsonl')).text();
  const whole = await loadModel('stories-neo', read);
  const texts = rows
    .split('\n', 12)
    .map((line) => JSON.parse(line) as { prompt: string; completion: string })
    .map(({ prompt, completion }) => whole.tokenizer!.encode(prompt + completion, { special: true }));
  const bounds = { float16: 1e-6, int8: 1e-3, nf4: 0.1, nf4_double: 0.1 };
  for (const packing of packings) {
    const model = await loadModel('stories-neo', read, undefined, packing);
    const { kl, perplexity, agreement } = await divergence(whole, model, texts);
    disposeModel(model);
    const ratio = perplexity.other / perplexity.reference;
    console.log(
      `${packing}: KL ${kl.toExponential(2)} nats, perplexity × ${ratio.toFixed(4)}, same first choice ${agreement.toFixed(3)}`,
    );
    expect(kl).toBeLessThan(bounds[packing]);
    expect(kl).toBeGreaterThan(-1e-6);
    // A small KL leaves the log-probability of one text some room: of the order of its root.
    expect(Math.abs(Math.log(ratio))).toBeLessThan(Math.sqrt(bounds[packing]));
  }
  disposeModel(whole);
  expect(tf.memory().numTensors).toBe(before);
});
