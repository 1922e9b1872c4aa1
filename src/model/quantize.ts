// Makes matrices small when a model is loaded: float16, int8 or NF4 of its linear layers (see dequantize.ts for what
// they hold). Embeddings, output matrix, norms and biases stay float32, as bitsandbytes leaves them whole.

import { BLOCK, NF4_LEVELS, type PackedMatrix, type Packing } from '../engine/ops/dequantize';
import { tf } from '../engine/tf';
import { toHalves } from '../shared/half';

/** Packs row-major `values`. */
export function packMatrix(
  values: Float32Array,
  shape: [rows: number, columns: number],
  packing: Packing,
): PackedMatrix {
  const { bytes, scales } =
    packing === 'float16'
      ? { bytes: new Uint8Array(toHalves(values).buffer), scales: new Float32Array(1) }
      : packBlocks(values, packing);
  const words = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  words.set(bytes);
  return {
    packing,
    shape,
    packed: tf.tensor1d(new Int32Array(words.buffer), 'int32'),
    scales: tf.tensor1d(scales),
  };
}

/** The bytes and each block's absmax. int8: round(127·x/absmax); nf4: the nearest level, two codes a byte. */
export function packBlocks(
  values: Float32Array,
  packing: 'int8' | 'nf4',
): { bytes: Uint8Array; scales: Float32Array } {
  const count = values.length;
  const scales = new Float32Array(Math.ceil(count / BLOCK));
  const bytes = new Uint8Array(packing === 'int8' ? count : Math.ceil(count / 2));
  for (let block = 0; block < scales.length; block++) {
    const end = Math.min(count, (block + 1) * BLOCK);
    let absmax = 0;
    for (let i = block * BLOCK; i < end; i++) absmax = Math.max(absmax, Math.abs(values[i]!));
    scales[block] = absmax;
    const inverse = absmax > 0 ? Math.fround(1 / absmax) : 0;
    for (let i = block * BLOCK; i < end; i++) {
      const x = Math.fround(values[i]! * inverse);
      if (packing === 'int8') bytes[i] = Math.round(127 * x);
      else bytes[i >> 1]! |= nf4Code(x) << (i % 2 === 0 ? 4 : 0);
    }
  }
  return { bytes, scales };
}

/** Midpoints of neighbouring levels: a number above has the higher one's code. */
const THRESHOLDS = NF4_LEVELS.slice(1).map((level, i) => (level + NF4_LEVELS[i]!) / 2);

function nf4Code(x: number): number {
  let code = 0;
  for (let step = 8; step > 0; step >>= 1) if (x > THRESHOLDS[code + step - 1]!) code += step;
  return code;
}
