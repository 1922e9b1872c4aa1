// Packed matrices back to float32.

import { NF4_LEVELS, type Packing, PER_WORD } from '../ops/dequantize';
import source from '../ops/dequantize.wgsl?raw';
import scaleSource from '../ops/packed-scale.wgsl?raw';
import type { tf } from '../tf';
import { dispatch, line, output, size } from './dispatch';

/** packed int32 [words], scales [blocks] → [rows, columns], a new tensor or `into`. */
export function dequantizeKernel(
  { packed, scales }: Record<'packed' | 'scales', tf.TensorInfo>,
  {
    packing,
    rows,
    columns,
    into: result = output([rows, columns]),
  }: { packing: Packing; rows: number; columns: number; into?: tf.TensorInfo },
): tf.TensorInfo {
  const words = size(packed);
  dispatch({
    name: 'dequantize',
    source,
    values: {
      PER: PER_WORD[packing],
      HALF: packing === 'float16',
      NF4: packing.startsWith('nf4'),
      DOUBLE: packing === 'nf4_double',
      SCALES: packing === 'nf4_double' ? 'u32' : 'f32',
      SCALE: scaleSource,
      K: '',
      LEVELS: NF4_LEVELS.map((level) => level.toFixed(19)).join(', '),
    },
    writes: [result],
    reads: [packed, scales],
    integers: [words, size(result)],
    groups: line(Math.ceil(words / 64)),
  });
  return result;
}
