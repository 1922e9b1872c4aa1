import { beforeAll, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { dequantize, DOUBLE, NF4_LEVELS, type Packing } from '../engine/ops/dequantize';
import { linear } from '../engine/ops/linears';
import { matmul } from '../engine/ops/matmul';
import { normals } from '../engine/random';
import { tf } from '../engine/tf';
import { hiddenStates, logits } from './forward';
import { disposeModel, loadModel } from './load';
import { DYNAMIC_MAP, packBlocks, packMatrix, packScales } from './quantize';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

// bitsandbytes' own codes and bytes for these four numbers.
it('packs NF4 as bitsandbytes does', () => {
  const { bytes, scales } = packBlocks(Float32Array.of(0.5, -1, 0.03, -0.2), 'nf4');
  expect([...bytes]).toEqual([0xc0, 0x75]);
  expect([...scales]).toEqual([1]);
  const matrix = packMatrix(Float32Array.of(0.5, -1, 0.03, -0.2), [2, 2], 'nf4');
  expect([...dequantize(matrix).dataSync()]).toEqual([0.44070982933044434, -1, 0, -0.18477343022823334]);
});

// csrc/kernels.cu: x > threshold takes the code above.
it('decides between NF4 levels where bitsandbytes does', () => {
  const thresholds = [
    -0.8480964004993439, -0.6106329262256622, -0.4599952697753906, -0.33967943489551544, -0.23460740596055984,
    -0.13791173323988914, -0.045525018125772476, 0.03979014977812767, 0.1202552504837513, 0.2035212516784668,
    0.2920137718319893, 0.3893125355243683, 0.5016634166240692, 0.6427869200706482, 0.8614784181118011,
  ];
  thresholds.forEach((threshold, code) => {
    for (const [step, expected] of [
      [-1e-6, code],
      [1e-6, code + 1],
    ] as const) {
      const { bytes } = packBlocks(Float32Array.of(1, threshold + step), 'nf4');
      expect(bytes[0]! & 15).toBe(expected);
    }
  });
});

// bitsandbytes' create_dynamic_map: its ends, what lies around zero, and 256 values in all.
it('quantises scales to bitsandbytes’ dynamic map', () => {
  const near = [0, 1, 126, 127, 128, 253, 254, 255].map((code) => DYNAMIC_MAP[code]!);
  const expected = [-0.99296875, -0.97890625, -5.5e-7, 0, 5.5e-7, 0.97890625, 0.99296875, 1];
  expect(DYNAMIC_MAP).toHaveLength(256);
  near.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 7));
});

it('NF4 with quantised scales takes 4.127 bits a number, and errs by a hundredth of NF4’s at most', () => {
  const values = normals(1 << 16, 9);
  const words = packScales(packBlocks(values, 'nf4').scales).length - DOUBLE.head;
  expect(4 + (32 * words) / values.length).toBeCloseTo(4.127, 3);
  const [whole, double] = (['nf4', 'nf4_double'] as const).map((packing) =>
    dequantize(packMatrix(values, [256, 256], packing)).dataSync(),
  ) as [Float32Array, Float32Array];
  const errors = whole.map((value, i) => (value === 0 ? double[i]! : double[i]! / value - 1));
  expect(Math.max(...errors.map(Math.abs))).toBeLessThan(0.01);
  expect(Math.max(...errors.map(Math.abs))).toBeGreaterThan(0);
});

const packings: Packing[] = ['float16', 'int8', 'nf4', 'nf4_double'];

// A unit in the last place of a half; half a step of 127; half the widest gap between levels.
const nf4 = (1 - 0.6961928009986877) / 2;
const worst = { float16: 2 ** -11, int8: 0.5 / 127, nf4, nf4_double: nf4 + 0.01 };

it.each(packings)('%s errs by no more than half a step of its block, for odd sizes too', (packing) => {
  const values = normals(7 * 29, 5);
  values.fill(0, 64, 128);
  const back = dequantize(packMatrix(values, [7, 29], packing)).dataSync();
  expect(back).toHaveLength(values.length);
  values.forEach((value, i) => {
    const block = values.slice(i - (i % 64), i - (i % 64) + 64);
    const absmax = Math.max(...block.map(Math.abs));
    const bound = packing === 'float16' ? Math.abs(value) : absmax;
    expect(Math.abs(back[i]! - value)).toBeLessThanOrEqual(worst[packing] * bound * 1.00001);
  });
  expect(NF4_LEVELS).toHaveLength(16);
});

it.each(packings)(
  'a product with a %s matrix and its gradient in x are those of the matrix it holds',
  (packing) => {
    for (const transposeB of [true, false]) {
      const matrix = packMatrix(normals(60, 1), transposeB ? [5, 12] : [12, 5], packing);
      const [x, dy] = [tf.tensor2d(normals(36, 2), [3, 12]), tf.tensor2d(normals(15, 3), [3, 5])];
      const bias = tf.tensor1d(normals(5, 4));
      const whole = (a: tf.Tensor) =>
        matmul(a as tf.Tensor2D, dequantize(matrix), { transposeB, add: bias }) as tf.Tensor;
      const packed = (a: tf.Tensor) =>
        linear(a as tf.Tensor2D, { weight: matrix, bias, fanInFanOut: !transposeB }) as tf.Tensor;
      expect([...packed(x).dataSync()]).toEqual([...whole(x).dataSync()]);
      expect([...tf.grad(packed)(x, dy).dataSync()]).toEqual([...tf.grad(whole)(x, dy).dataSync()]);
    }
  },
);

it.each(packings)('a model of %s is smaller, and close to the one of float32', async (packing) => {
  const read = nodeDirectory('tests/fixtures/llama-odd/model');
  const batch = { ids: Int32Array.of(1, 5, 9, 2), mask: new Int32Array(4).fill(1), batch: 1, length: 4 };
  const of = async (quantization: 'none' | Packing) => {
    const before = tf.memory();
    const model = await loadModel('llama-odd', read, undefined, quantization);
    const { numBytes } = tf.memory();
    const values = tf.tidy(() => [...logits(model, hiddenStates(model, null, batch)).dataSync()]);
    disposeModel(model);
    expect(tf.memory().numTensors).toBe(before.numTensors);
    return { bytes: numBytes - before.numBytes, values };
  };
  const [whole, small] = [await of('none'), await of(packing)];
  const error = Math.hypot(...whole.values.map((value, i) => value - small.values[i]!));
  expect(error / Math.hypot(...whole.values)).toBeLessThan(
    { float16: 1e-3, int8: 0.02, nf4: 0.3, nf4_double: 0.3 }[packing],
  );
  // Embedding and head, 2 · 61 · 20 numbers, stay. What codes stand for is more than scales of so few numbers.
  expect(small.bytes / whole.bytes).toBeLessThan(
    { float16: 0.75, int8: 0.65, nf4: 0.6, nf4_double: 1 }[packing],
  );
});
