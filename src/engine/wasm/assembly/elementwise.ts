// GELU and its gradient, elementwise, in units of a fixed number of elements. Sixteen at a time: engines make a vector
// constant anew at every use, which costs as much as the arithmetic unless several vectors share it.

import { integer } from './args';
import { exp4 } from './math';

const UNIT: usize = 16384;

/** 1/(1 + e^(−2u)) with u = √(2/π)(x + 0.044715x³); ½(1 + tanh u) is the same number. */
@inline
function gate(x: v128): v128 {
  const square = f32x4.mul(x, x);
  const inner = f32x4.add(f32x4.splat(-1.5957691216057308), f32x4.mul(square, f32x4.splat(-0.07135481282993508)));
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp4(f32x4.mul(x, inner))));
}

@inline
export function gelu4(x: v128): v128 {
  return f32x4.mul(x, gate(x));
}

@inline
export function geluGrad4(x: v128, dy: v128): v128 {
  const g = gate(x);
  // d/dx 2u = 2√(2/π)(1 + 3·0.044715x²)
  const slope = f32x4.add(
    f32x4.splat(1.5957691216057308),
    f32x4.mul(f32x4.mul(x, x), f32x4.splat(0.21406443848980524)),
  );
  const rest = f32x4.mul(f32x4.mul(x, slope), f32x4.sub(f32x4.splat(1), g));
  return f32x4.mul(dy, f32x4.mul(g, f32x4.add(f32x4.splat(1), rest)));
}

/** Integers: x, y, elements. */
export function gelu(args: usize, begin: usize, end: usize): void {
  const x = integer(args, 0);
  const y = integer(args, 1);
  const last = min(integer(args, 2), end * UNIT) << 2;
  let at = (begin * UNIT) << 2;
  for (; at + 64 <= last; at += 64) {
    const y0 = gelu4(v128.load(x + at));
    const y1 = gelu4(v128.load(x + at, 16));
    const y2 = gelu4(v128.load(x + at, 32));
    const y3 = gelu4(v128.load(x + at, 48));
    v128.store(y + at, y0);
    v128.store(y + at, y1, 16);
    v128.store(y + at, y2, 32);
    v128.store(y + at, y3, 48);
  }
  for (; at < last; at += 4) store<f32>(y + at, f32x4.extract_lane(gelu4(v128.load_splat<f32>(x + at)), 0));
}

/** Integers: x, dy, dx, elements. */
export function geluGrad(args: usize, begin: usize, end: usize): void {
  const x = integer(args, 0);
  const dy = integer(args, 1);
  const dx = integer(args, 2);
  const last = min(integer(args, 3), end * UNIT) << 2;
  let at = (begin * UNIT) << 2;
  for (; at + 64 <= last; at += 64) {
    const d0 = geluGrad4(v128.load(x + at), v128.load(dy + at));
    const d1 = geluGrad4(v128.load(x + at, 16), v128.load(dy + at, 16));
    const d2 = geluGrad4(v128.load(x + at, 32), v128.load(dy + at, 32));
    const d3 = geluGrad4(v128.load(x + at, 48), v128.load(dy + at, 48));
    v128.store(dx + at, d0);
    v128.store(dx + at, d1, 16);
    v128.store(dx + at, d2, 32);
    v128.store(dx + at, d3, 48);
  }
  for (; at < last; at += 4) {
    store<f32>(dx + at, f32x4.extract_lane(geluGrad4(v128.load_splat<f32>(x + at), v128.load_splat<f32>(dy + at)), 0));
  }
}
