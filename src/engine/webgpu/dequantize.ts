// Packed matrices back to float32.

import { NF4_LEVELS } from '../ops/dequantize';
import source from '../ops/dequantize.wgsl?raw';
import type { tf } from '../tf';
import { dispatch, line, output, size } from './dispatch';

/** packed int32 [words], scales [blocks] → [rows, columns], a new tensor or `into`. */
export function dequantizeKernel(
  { packed, scales }: Record<'packed' | 'scales', tf.TensorInfo>,
  {
    perWord,
    rows,
    columns,
    into: result = output([rows, columns]),
  }: { perWord: number; rows: number; columns: number; into?: tf.TensorInfo },
): tf.TensorInfo {
  const words = size(packed);
  dispatch({
    name: 'dequantize',
    source,
    values: {
      PER: perWord,
      HALF: perWord === 2,
      NF4: perWord === 8,
      LEVELS: NF4_LEVELS.map((level) => level.toFixed(19)).join(', '),
    },
    writes: [result],
    reads: [packed, scales],
    integers: [words, size(result)],
    groups: line(Math.ceil(words / 64)),
  });
  return result;
}
