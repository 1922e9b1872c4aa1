// Dropout by a hash of a key and each number's place (MurmurHash3 over two words, as random.ts has it), four numbers at
// a time, in units of a fixed number of elements.

import { integer, number } from './args';

const UNIT: usize = 16384;

@inline
function rotate(x: v128, by: i32): v128 {
  return v128.or(i32x4.shl(x, by), i32x4.shr_u(x, 32 - by));
}

@inline
function mix(hash: v128, word: v128): v128 {
  const k = rotate(i32x4.mul(word, i32x4.splat(0xcc9e2d51)), 15);
  const h = rotate(v128.xor(hash, i32x4.mul(k, i32x4.splat(0x1b873593))), 13);
  return i32x4.add(i32x4.mul(h, i32x4.splat(5)), i32x4.splat(0xe6546b64));
}

/** All bits set where a number stays. */
@inline
function stays(state: v128, places: v128, threshold: v128): v128 {
  let hash = v128.xor(mix(state, places), i32x4.splat(8));
  hash = i32x4.mul(v128.xor(hash, i32x4.shr_u(hash, 16)), i32x4.splat(0x85ebca6b));
  hash = i32x4.mul(v128.xor(hash, i32x4.shr_u(hash, 13)), i32x4.splat(0xc2b2ae35));
  hash = v128.xor(hash, i32x4.shr_u(hash, 16));
  return i32x4.ge_u(i32x4.shr_u(hash, 8), threshold);
}

/** Floats: scale. Integers: x, y, elements, key, threshold. */
export function dropout(args: usize, begin: usize, end: usize): void {
  const scale = f32x4.splat(<f32>number(args, 0));
  const x = integer(args, 0);
  const y = integer(args, 1);
  const last = min(integer(args, 2), end * UNIT);
  const state = mix(i32x4.splat(0), i32x4.splat(<i32>integer(args, 3)));
  const threshold = i32x4.splat(<i32>integer(args, 4));
  let at = begin * UNIT;
  let places = i32x4.add(i32x4.splat(<i32>at), i32x4(0, 1, 2, 3));
  for (; at + 4 <= last; at += 4) {
    const kept = f32x4.mul(v128.load(x + (at << 2)), scale);
    v128.store(y + (at << 2), v128.and(kept, stays(state, places, threshold)));
    places = i32x4.add(places, i32x4.splat(4));
  }
  for (; at < last; at++) {
    const kept = f32x4.mul(v128.load_splat<f32>(x + (at << 2)), scale);
    const alone = v128.and(kept, stays(state, i32x4.splat(<i32>at), threshold));
    store<f32>(y + (at << 2), f32x4.extract_lane(alone, 0));
  }
}
