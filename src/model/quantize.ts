// Makes matrices small when a model is loaded: float16, int8 or NF4 of its linear layers, the scales of NF4 as they are or
// quantised too (see dequantize.ts for what they hold). Embeddings, output matrix, norms and biases stay float32, as bitsandbytes leaves them whole.

import { BLOCK, DOUBLE, NF4_LEVELS, type PackedMatrix, type Packing } from '../engine/ops/dequantize';
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
    scales: packing === 'nf4_double' ? tf.tensor1d(packScales(scales), 'int32') : tf.tensor1d(scales),
  };
}

/** The bytes and each block's absmax. int8: round(127·x/absmax); else of NF4 the nearest level, two codes a byte. */
export function packBlocks(
  values: Float32Array,
  packing: Exclude<Packing, 'float16'>,
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

/**
 * bitsandbytes' signed dynamic map (create_dynamic_map, Dettmers 2015): 0, 1, and for every power of ten from 10⁻⁶ to 1
 * twice as many values as for the one below, the middles of as many equal parts of its upper nine tenths, of either sign.
 */
export const DYNAMIC_MAP: Float32Array = Float32Array.from([
  ...[0, 1],
  ...Array.from({ length: 7 }, (_, i) =>
    Array.from({ length: 2 ** i }, (__, part) => 10 ** (i - 6) * (0.1 + (0.9 * (part + 0.5)) / 2 ** i)),
  ).flatMap((values) => values.flatMap((value) => [value, -value])),
]).sort();

/** Scales in the words of `DOUBLE`: the nearest of the map to what each lies from their mean. */
export function packScales(scales: Float32Array): Int32Array {
  const groups = Math.ceil(scales.length / DOUBLE.blocks);
  const words = new Int32Array(DOUBLE.head + DOUBLE.words * groups);
  const floats = new Float32Array(words.buffer);
  const bytes = new Uint8Array(words.buffer);
  const mean = Math.fround(scales.reduce((sum, scale) => sum + scale, 0) / scales.length);
  floats.set([mean, ...DYNAMIC_MAP]);
  for (let group = 0; group < groups; group++) {
    const from = DOUBLE.head + DOUBLE.words * group;
    const some = scales
      .subarray(group * DOUBLE.blocks, (group + 1) * DOUBLE.blocks)
      .map((scale) => scale - mean);
    const furthest = some.reduce((most, distance) => Math.max(most, Math.abs(distance)), 0);
    floats[from] = furthest;
    bytes.set(
      some.map((distance) => nearest(furthest > 0 ? distance / furthest : 0)),
      4 * (from + 1),
    );
  }
  return words;
}

/** The place of the map's value nearest to `x`, by halving. */
function nearest(x: number): number {
  let [low, high] = [0, DYNAMIC_MAP.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x < DYNAMIC_MAP[middle]!) high = middle;
    else low = middle;
  }
  return x - DYNAMIC_MAP[low]! <= DYNAMIC_MAP[high]! - x ? low : high;
}
