// exp, log and sums, in plain arithmetic: the library's versions keep tables in static memory, and every machine must
// give the same bits.

/** sum + a·b, in one rounding where the build may use fused operations. */
@inline
export function madd(sum: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, sum);
  return f32x4.add(sum, f32x4.mul(a, b));
}

/** eˣ of four floats to 1e-7 relative, 0 below −87.3, e⁸⁸ above 88 (the polynomial of Cephes' expf). */
@inline
export function exp4(x: v128): v128 {
  const positive = f32x4.gt(x, f32x4.splat(-87.3));
  x = f32x4.pmax(f32x4.pmin(x, f32x4.splat(88)), f32x4.splat(-87.3));
  // Adding 1.5 · 2²³ rounds to the nearest integer and leaves it in the lowest bits.
  const rounded = f32x4.add(f32x4.mul(x, f32x4.splat(1.44269504)), f32x4.splat(12582912));
  const n = f32x4.sub(rounded, f32x4.splat(12582912));
  // ln 2 in two parts, the first exact in few bits.
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.add(r, f32x4.mul(n, f32x4.splat(2.1219444e-4)));
  let p = f32x4.add(f32x4.mul(r, f32x4.splat(1.98756915e-4)), f32x4.splat(1.39819995e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.33345191e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.16657959e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.66666655e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.00000012e-1));
  p = f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), f32x4.add(r, f32x4.splat(1)));
  return v128.and(f32x4.mul(p, i32x4.shl(i32x4.add(rounded, i32x4.splat(127)), 23)), positive);
}

/** to[i] = e^(from[i] − shift) for `bytes` bytes of floats, a multiple of 16. Vectors share constants, as in elementwise.ts. */
export function exps(to: usize, from: usize, bytes: usize, shift: f32): void {
  const shifts = f32x4.splat(shift);
  let at: usize = 0;
  for (; at + 64 <= bytes; at += 64) {
    const e0 = exp4(f32x4.sub(v128.load(from + at), shifts));
    const e1 = exp4(f32x4.sub(v128.load(from + at, 16), shifts));
    const e2 = exp4(f32x4.sub(v128.load(from + at, 32), shifts));
    const e3 = exp4(f32x4.sub(v128.load(from + at, 48), shifts));
    v128.store(to + at, e0);
    v128.store(to + at, e1, 16);
    v128.store(to + at, e2, 32);
    v128.store(to + at, e3, 48);
  }
  for (; at < bytes; at += 16) v128.store(to + at, exp4(f32x4.sub(v128.load(from + at), shifts)));
}

/** eˣ of two float64, 0 below −708 (fdlibm's e_exp). x ≤ 700. */
@inline
export function exp2(x: v128): v128 {
  const y = f64x2.pmax(x, f64x2.splat(-708));
  // As in exp4, with 1.5 · 2⁵².
  const rounded = f64x2.add(f64x2.mul(y, f64x2.splat(1.4426950408889634)), f64x2.splat(6755399441055744));
  const n = f64x2.sub(rounded, f64x2.splat(6755399441055744));
  const hi = f64x2.sub(y, f64x2.mul(n, f64x2.splat(6.93147180369123816490e-1)));
  const lo = f64x2.mul(n, f64x2.splat(1.90821492927058770002e-10));
  const r = f64x2.sub(hi, lo);
  const t = f64x2.mul(r, r);
  let c = f64x2.sub(f64x2.mul(t, f64x2.splat(4.13813679705723846039e-8)), f64x2.splat(1.65339022054652515390e-6));
  c = f64x2.add(f64x2.mul(c, t), f64x2.splat(6.61375632143793436117e-5));
  c = f64x2.sub(f64x2.mul(c, t), f64x2.splat(2.77777777770155933842e-3));
  c = f64x2.add(f64x2.mul(c, t), f64x2.splat(1.66666666666666019037e-1));
  c = f64x2.sub(r, f64x2.mul(t, c));
  const q = f64x2.div(f64x2.mul(r, c), f64x2.sub(f64x2.splat(2), c));
  const e = f64x2.sub(f64x2.splat(1), f64x2.sub(f64x2.sub(lo, q), hi));
  const power = i64x2.shl(i64x2.add(rounded, i64x2.splat(1023)), 52);
  return v128.and(f64x2.mul(e, power), f64x2.gt(x, f64x2.splat(-708)));
}

export function exp(x: f64): f64 {
  return f64x2.extract_lane(exp2(f64x2.splat(x)), 0);
}

/** ln x in float64 for normal x > 0 (fdlibm's e_log). */
export function log(x: f64): f64 {
  const bits = reinterpret<u64>(x);
  let n = <i64>(bits >> 52) - 1023;
  let f = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (f > 1.4142135623730951) {
    f *= 0.5;
    n += 1;
  }
  f -= 1;
  const s = f / (2 + f);
  const z = s * s;
  let p = 1.479819860511658591e-1;
  p = p * z + 1.531383769920937332e-1;
  p = p * z + 1.818357216161805012e-1;
  p = p * z + 2.222219843214978396e-1;
  p = p * z + 2.857142874366239149e-1;
  p = p * z + 3.999999999940941908e-1;
  p = p * z + 6.666666666666735130e-1;
  const half = 0.5 * f * f;
  const k = <f64>n;
  return k * 6.93147180369123816490e-1 - (half - (s * (half + p * z) + k * 1.90821492927058770002e-10) - f);
}

@inline
export function sum4(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

@inline
export function max4(v: v128): f32 {
  return max<f32>(
    max<f32>(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max<f32>(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/** Σ xᵢ·yᵢ over n contiguous floats. */
export function dot(x: usize, y: usize, n: usize): f32 {
  let a = f32x4.splat(0);
  let b = a;
  let i: usize = 0;
  for (; i + 8 <= n; i += 8, x += 32, y += 32) {
    a = f32x4.add(a, f32x4.mul(v128.load(x), v128.load(y)));
    b = f32x4.add(b, f32x4.mul(v128.load(x, 16), v128.load(y, 16)));
  }
  let sum = sum4(f32x4.add(a, b));
  for (; i < n; i++, x += 4, y += 4) sum += load<f32>(x) * load<f32>(y);
  return sum;
}
