// AdamW in place and the sum of squares that clipping needs.

import { integer, number } from './args';

const UNIT: usize = 16384;

/**
 * Floats: learning rate, β₁, β₂, ε, weight decay, 1 − β₁ᵗ, 1 − β₂ᵗ, gradient scale. Integers: parameter, gradient, m, v,
 * elements.
 */
export function adamw(args: usize, begin: usize, end: usize): void {
  const rate = number(args, 0);
  const b1 = number(args, 1);
  const b2 = number(args, 2);
  const beta1 = f32x4.splat(<f32>b1);
  const beta2 = f32x4.splat(<f32>b2);
  const rest1 = f32x4.splat(<f32>(1 - b1));
  const rest2 = f32x4.splat(<f32>(1 - b2));
  const eps = f32x4.splat(<f32>number(args, 3));
  const kept = f32x4.splat(<f32>(1 - rate * number(args, 4)));
  const step = f32x4.splat(<f32>(rate / number(args, 5)));
  const correction = f32x4.splat(<f32>(1 / number(args, 6)));
  const scale = f32x4.splat(<f32>number(args, 7));
  const last = min(integer(args, 4), end * UNIT) << 2;
  for (let at = (begin * UNIT) << 2; at < last; at += 16) {
    const p = integer(args, 0) + at;
    const m = integer(args, 2) + at;
    const v = integer(args, 3) + at;
    const left = last - at;
    const g = f32x4.mul(load4(integer(args, 1) + at, left), scale);
    const m1 = f32x4.add(f32x4.mul(load4(m, left), beta1), f32x4.mul(g, rest1));
    const v1 = f32x4.add(f32x4.mul(load4(v, left), beta2), f32x4.mul(f32x4.mul(g, g), rest2));
    const divisor = f32x4.add(f32x4.sqrt(f32x4.mul(v1, correction)), eps);
    const change = f32x4.mul(step, f32x4.div(m1, divisor));
    store4(m, left, m1);
    store4(v, left, v1);
    store4(p, left, f32x4.sub(f32x4.mul(load4(p, left), kept), change));
  }
}

/** Four floats, or the one there if fewer bytes are left than four take: the last few go one at a time. */
@inline
function load4(at: usize, left: usize): v128 {
  if (left >= 16) return v128.load(at);
  let v = v128.load32_zero(at);
  if (left > 4) v = v128.load_lane<f32>(at + 4, v, 1);
  if (left > 8) v = v128.load_lane<f32>(at + 8, v, 2);
  return v;
}

@inline
function store4(at: usize, left: usize, v: v128): void {
  if (left >= 16) return v128.store(at, v);
  v128.store_lane<f32>(at, v, 0);
  if (left > 4) v128.store_lane<f32>(at + 4, v, 1);
  if (left > 8) v128.store_lane<f32>(at + 8, v, 2);
}

/** One unit, since the order of the sum is fixed. Integers: x, sum (one float), elements. */
export function sumOfSquares(args: usize): void {
  const x = integer(args, 0);
  const bytes = integer(args, 2) << 2;
  let a = f64x2.splat(0);
  let b = a;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    const v = v128.load(x + at);
    const low = f64x2.promote_low_f32x4(v);
    const high = f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 0));
    a = f64x2.add(a, f64x2.mul(low, low));
    b = f64x2.add(b, f64x2.mul(high, high));
  }
  a = f64x2.add(a, b);
  let sum = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1);
  for (; at < bytes; at += 4) sum += <f64>load<f32>(x + at) * <f64>load<f32>(x + at);
  store<f32>(integer(args, 1), <f32>sum);
}
