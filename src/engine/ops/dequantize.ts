// Frozen matrices kept small: as float16, as int8, or as NF4, the 4-bit normal float of QLoRA (Dettmers et al. 2023), whose
// scales may be quantised too (their double quantisation, §3). Products read them as they lie where a device has a kernel
// for that; elsewhere they are made float32 one at a time, forward and again backward, so that only the packed form stays
// in memory. Layout and numbers of NF4 are bitsandbytes': blocks of 64 along the flattened matrix, one absmax each, the
// even index of a pair in the high half of its byte.

import type { Quantization } from '../../shared/experiment';
import { halfToFloat } from '../../shared/half';
import { hasKernel, runKernel, tf } from '../tf';

export type Packing = Exclude<Quantization, 'none'>;

export interface PackedMatrix {
  packing: Packing;
  shape: [rows: number, columns: number];
  /** int32 words of 2 halves, 4 signed bytes or 8 codes, in the order of the matrix, the first in the lowest byte. */
  packed: tf.Tensor1D;
  /** float32: absmax of each block; of one number for float16, which needs none. For nf4_double int32, as below. */
  scales: tf.Tensor1D;
}

/** Numbers that share a scale. */
export const BLOCK = 64;

/** Numbers in one int32 word. */
export const PER_WORD: Readonly<Record<Packing, number>> = { float16: 2, int8: 4, nf4: 8, nf4_double: 8 };

/**
 * Scales that are quantised themselves, in words of 32 bits: their mean; what each of 256 codes stands for; then for
 * every `DOUBLE.blocks` scales how far they lie from the mean at most, and their codes, four a word.
 */
export const DOUBLE = { blocks: 256, head: 1 + 256, words: 1 + 256 / 4 } as const;

/** scale = mean + code's value · largest distance, in float32. */
function doubleScale(words: DataView, block: number): number {
  const from = 4 * (DOUBLE.head + DOUBLE.words * Math.floor(block / DOUBLE.blocks));
  const value = words.getFloat32(4 * (1 + words.getUint8(from + 4 + (block % DOUBLE.blocks))), true);
  return Math.fround(Math.fround(value * words.getFloat32(from, true)) + words.getFloat32(0, true));
}

/** The sixteen values of NF4: quantiles of the normal distribution, scaled to [−1, 1] with an exact 0. */
// prettier-ignore
export const NF4_LEVELS: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

/** The matrix in float32, its shape as it was. */
export function dequantize(matrix: PackedMatrix): tf.Tensor2D {
  const { packing, shape, packed, scales } = matrix;
  if (!hasKernel('Dequantize')) return dequantizeReference(matrix);
  const [rows, columns] = shape;
  return runKernel('Dequantize', { packed, scales }, { packing, rows, columns });
}

/** The same on the host. */
export function dequantizeReference({ packing, shape, packed, scales }: PackedMatrix): tf.Tensor2D {
  const words = packed.dataSync<'int32'>();
  const absmax = scales.dataSync();
  const double = new DataView(absmax.buffer, absmax.byteOffset, absmax.byteLength);
  const bytes = new DataView(words.buffer, words.byteOffset, words.byteLength);
  const value = (i: number): number => {
    if (packing === 'float16') return halfToFloat(bytes.getUint16(2 * i, true));
    const block = Math.floor(i / BLOCK);
    const scale = packing === 'nf4_double' ? doubleScale(double, block) : (absmax[block] ?? NaN);
    if (packing === 'int8') return (bytes.getInt8(i) / 127) * scale;
    const byte = bytes.getUint8(i >> 1);
    return (NF4_LEVELS[i % 2 === 0 ? byte >> 4 : byte & 15] ?? NaN) * scale;
  };
  return tf.tensor2d(
    Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => value(i)),
    shape,
  );
}

export function disposePacked({ packed, scales }: PackedMatrix): void {
  tf.dispose([packed, scales]);
}
