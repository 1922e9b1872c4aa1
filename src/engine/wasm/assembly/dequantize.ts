// Packed matrices back to float32, in units of a fixed number of elements.

import { integer } from './args';

const UNIT: usize = 16384;
const BLOCK: usize = 64;
/** Where the sixteen levels of NF4 lie among the integers, as float32. */
const LEVELS: usize = 64 + (5 << 2);

/** Two halves, in the low 16 bits of each lane of a vector of four: exact, subnormals too. */
@inline
function halves4(bits: v128): v128 {
  const magnitude = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  // The exponents' biases differ by 112.
  return v128.or(f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33)), sign);
}

/** Integers: packed, scales, result, elements, numbers in a word, levels of NF4. */
export function dequantize(args: usize, begin: usize, end: usize): void {
  const packed = integer(args, 0);
  const scales = integer(args, 1);
  const result = integer(args, 2);
  const last = min(integer(args, 3), end * UNIT);
  const perWord = integer(args, 4);
  let i = begin * UNIT;
  if (perWord == 2) {
    for (; i + 8 <= last; i += 8) {
      const bits = v128.load(packed + (i << 1));
      v128.store(result + (i << 2), halves4(i32x4.extend_low_i16x8_u(bits)));
      v128.store(result + (i << 2), halves4(i32x4.extend_high_i16x8_u(bits)), 16);
    }
    for (; i < last; i++) {
      const bits = i32x4.splat(load<u16>(packed + (i << 1)));
      store<f32>(result + (i << 2), f32x4.extract_lane(halves4(bits), 0));
    }
    return;
  }
  for (; i < last; i += BLOCK) {
    const scale = load<f32>(scales + ((i / BLOCK) << 2));
    const stop = min(last, i + BLOCK);
    if (perWord == 4) {
      for (let j = i; j < stop; j++) store<f32>(result + (j << 2), scale * (<f32>load<i8>(packed + j) / 127));
      continue;
    }
    for (let j = i; j < stop; j += 2) {
      const byte = <usize>load<u8>(packed + (j >> 1));
      store<f32>(result + (j << 2), scale * load<f32>(args + LEVELS + ((byte >> 4) << 2)));
      if (j + 1 < stop) store<f32>(result + (j << 2), scale * load<f32>(args + LEVELS + ((byte & 15) << 2)), 4);
    }
  }
}
