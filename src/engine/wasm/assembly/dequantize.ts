// Packed matrices back to float32: a line of one at a time, for the products that read it, or a whole one in units of a
// fixed number of elements.

import { integer } from './args';
import { Packed } from './kernels';

const UNIT: usize = 16384;
/** Numbers that share a scale. */
const BLOCK: usize = 64;

/** Two halves, in the low 16 bits of each lane of a vector of four: exact, subnormals too. */
@inline
function halves4(bits: v128): v128 {
  const magnitude = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  // The exponents' biases differ by 112.
  return v128.or(f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33)), sign);
}

function unpackHalves(to: usize, packed: usize, i: usize, end: usize): void {
  for (; i + 8 <= end; i += 8, to += 32) {
    const bits = v128.load(packed + (i << 1));
    v128.store(to, halves4(i32x4.extend_low_i16x8_u(bits)));
    v128.store(to, halves4(i32x4.extend_high_i16x8_u(bits)), 16);
  }
  for (; i < end; i++, to += 4) {
    store<f32>(to, f32x4.extract_lane(halves4(i32x4.splat(load<u16>(packed + (i << 1)))), 0));
  }
}

/** Elements of one block. */
@inline
function unpackBytes(to: usize, packed: usize, i: usize, end: usize, absmax: f32): void {
  const scale = absmax / 127;
  const scales = f32x4.splat(scale);
  for (; i + 8 <= end; i += 8, to += 32) {
    const eight = v128.load8x8_s(packed + i);
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(eight)), scales));
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(eight)), scales), 16);
  }
  for (; i < end; i++, to += 4) store<f32>(to, <f32>load<i8>(packed + i) * scale);
}

/** The levels of NF4 for sixteen codes, times their scale: the four bytes of each float32 are looked up by themselves. */
@inline
function levels16(to: usize, codes: v128, scales: v128): void {
  const b0 = i8x16.swizzle(i8x16(0, -79, 48, -96, 77, 63, 113, 0, -1, -29, -35, 58, -72, -85, -77, 0), codes);
  const b1 = i8x16.swizzle(i8x16(0, 57, 107, 50, -94, 53, 120, 0, -6, -54, 4, 3, -92, 7, 19, 0), codes);
  const b2 = i8x16.swizzle(i8x16(-128, 50, 6, -54, -111, 61, -70, 0, -94, 36, 124, -83, -31, 16, 57, -128), codes);
  const b3 = i8x16.swizzle(i8x16(-65, -65, -65, -66, -66, -66, -67, 0, 61, 62, 62, 62, 62, 63, 63, 63), codes);
  const low = v128.shuffle<u8>(b0, b1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const lowHigh = v128.shuffle<u8>(b2, b3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const high = v128.shuffle<u8>(b0, b1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const highHigh = v128.shuffle<u8>(b2, b3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(to, f32x4.mul(scales, v128.shuffle<u16>(low, lowHigh, 0, 8, 1, 9, 2, 10, 3, 11)));
  v128.store(to, f32x4.mul(scales, v128.shuffle<u16>(low, lowHigh, 4, 12, 5, 13, 6, 14, 7, 15)), 16);
  v128.store(to, f32x4.mul(scales, v128.shuffle<u16>(high, highHigh, 0, 8, 1, 9, 2, 10, 3, 11)), 32);
  v128.store(to, f32x4.mul(scales, v128.shuffle<u16>(high, highHigh, 4, 12, 5, 13, 6, 14, 7, 15)), 48);
}

/** Elements of one block; `scratch`: 64 bytes. */
@inline
function unpackCodes(to: usize, packed: usize, i: usize, end: usize, absmax: f32, scratch: usize): void {
  const scales = f32x4.splat(absmax);
  while (i < end) {
    const first = i & 15;
    const eight = v128.load64_zero(packed + ((i - first) >> 1)); // sixteen codes, the even one of a byte above
    const even = i8x16.shr_u(eight, 4);
    const odd = v128.and(eight, i8x16.splat(15));
    const codes = v128.shuffle<u8>(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const count = min(end - i, 16 - first);
    if (count == 16) levels16(to, codes, scales);
    else {
      levels16(scratch, codes, scales);
      memory.copy(to, scratch + (first << 2), count << 2);
    }
    i += count;
    to += count << 2;
  }
}

/** The scale of a block where scales are quantised themselves: DOUBLE in ops/dequantize.ts. */
@inline
function doubleScale(scales: usize, block: usize): f32 {
  const first = scales + ((257 + 65 * (block / 256)) << 2);
  const code: usize = load<u8>(first + 4 + (block & 255));
  return load<f32>(scales + ((1 + code) << 2)) * load<f32>(first) + load<f32>(scales);
}

/** Elements i … end − 1 of a packed matrix to `to`; `scratch`: 64 bytes. */
export function unpack(
  to: usize, packed: usize, scales: usize, packing: usize, i: usize, end: usize, scratch: usize,
): void {
  if (packing == Packed.Float16) return unpackHalves(to, packed, i, end);
  while (i < end) {
    const stop = min(end, (i & ~(BLOCK - 1)) + BLOCK);
    const block = i / BLOCK;
    const absmax = packing == Packed.Nf4Double ? doubleScale(scales, block) : load<f32>(scales + (block << 2));
    if (packing == Packed.Int8) unpackBytes(to, packed, i, stop, absmax);
    else unpackCodes(to, packed, i, stop, absmax, scratch);
    to += (stop - i) << 2;
    i = stop;
  }
}

/** Integers: packed, scales, result, elements, packing. */
export function dequantize(args: usize, begin: usize, end: usize, scratch: usize): void {
  const last = min(integer(args, 3), end * UNIT);
  const first = begin * UNIT;
  unpack(integer(args, 2) + (first << 2), integer(args, 0), integer(args, 1), integer(args, 4), first, last, scratch);
}
