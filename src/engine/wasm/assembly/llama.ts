// What Llama's blocks have and GPT's do not: RMSNorm, rotary positions and the gate of the MLP.

import { integer, number } from './args';
import { exp4, sum4 } from './math';

/** Rows, or elements, of a unit. */
const ROWS: usize = 32;
const ELEMENTS: usize = 16384;

/** Σ a·b over n numbers. */
@inline
function product(a: usize, b: usize, n: usize): f32 {
  let v = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) v = f32x4.add(v, f32x4.mul(v128.load(a + (i << 2)), v128.load(b + (i << 2))));
  let sum = sum4(v);
  for (; i < n; i++) sum += load<f32>(a + (i << 2)) * load<f32>(b + (i << 2));
  return sum;
}

/** Floats: eps. Integers: x, gamma, y, rows, columns. */
export function rmsNorm(args: usize, begin: usize, end: usize): void {
  const eps = <f32>number(args, 0);
  const gamma = integer(args, 1);
  const n = integer(args, 4);
  const last = min(integer(args, 3), end * ROWS);
  for (let row = begin * ROWS; row < last; row++) {
    const x = integer(args, 0) + ((row * n) << 2);
    const y = integer(args, 2) + ((row * n) << 2);
    const scale: f32 = 1 / sqrt<f32>(product(x, x, n) / <f32>n + eps);
    const scales = f32x4.splat(scale);
    let i: usize = 0;
    for (; i + 4 <= n; i += 4) {
      const at = i << 2;
      v128.store(y + at, f32x4.mul(f32x4.mul(v128.load(x + at), scales), v128.load(gamma + at)));
    }
    for (; i < n; i++) {
      const at = i << 2;
      store<f32>(y + at, load<f32>(x + at) * scale * load<f32>(gamma + at));
    }
  }
}

/**
 * dx = (g − x·mean(g·x)·scale²)·scale with g = dy·gamma, plus `add`. Floats: eps. Integers: x, gamma, dy, dx, rows,
 * columns, add (0 for none).
 */
export function rmsNormGrad(args: usize, begin: usize, end: usize): void {
  const eps = <f32>number(args, 0);
  const gamma = integer(args, 1);
  const n = integer(args, 5);
  const add = integer(args, 6);
  const last = min(integer(args, 4), end * ROWS);
  for (let row = begin * ROWS; row < last; row++) {
    const x = integer(args, 0) + ((row * n) << 2);
    const dy = integer(args, 2) + ((row * n) << 2);
    const dx = integer(args, 3) + ((row * n) << 2);
    const scale: f32 = 1 / sqrt<f32>(product(x, x, n) / <f32>n + eps);
    for (let i: usize = 0; i < n; i++) {
      const at = i << 2;
      store<f32>(dx + at, load<f32>(dy + at) * load<f32>(gamma + at));
    }
    const slope: f32 = (product(dx, x, n) / <f32>n) * scale * scale;
    const scales = f32x4.splat(scale);
    const slopes = f32x4.splat(slope);
    let i: usize = 0;
    for (; i + 4 <= n; i += 4) {
      const at = i << 2;
      const rest = f32x4.sub(v128.load(dx + at), f32x4.mul(v128.load(x + at), slopes));
      const change = f32x4.mul(rest, scales);
      v128.store(dx + at, add ? f32x4.add(v128.load(add + ((row * n) << 2) + at), change) : change);
    }
    for (; i < n; i++) {
      const at = i << 2;
      const change = (load<f32>(dx + at) - load<f32>(x + at) * slope) * scale;
      store<f32>(dx + at, add ? load<f32>(add + ((row * n) << 2) + at) + change : change);
    }
  }
}

/** Floats: sign. Integers: x, cos, sin, y, rows, heads, head size, half of what is turned. */
export function rotary(args: usize, begin: usize, end: usize): void {
  const sign = <f32>number(args, 0);
  const heads = integer(args, 5);
  const size = integer(args, 6);
  const half = integer(args, 7);
  const last = min(integer(args, 4), end * ROWS);
  for (let row = begin * ROWS; row < last; row++) {
    const cos = integer(args, 1) + ((row * half) << 2);
    const sin = integer(args, 2) + ((row * half) << 2);
    for (let head: usize = 0; head < heads; head++) {
      const offset = ((row * heads + head) * size) << 2;
      const x = integer(args, 0) + offset;
      const y = integer(args, 3) + offset;
      for (let d: usize = 0; d < half; d++) {
        const at = d << 2;
        const there = (d + half) << 2;
        const a = load<f32>(x + at);
        const b = load<f32>(x + there);
        const c = load<f32>(cos + at);
        const s = load<f32>(sin + at) * sign;
        store<f32>(y + at, a * c - b * s);
        store<f32>(y + there, b * c + a * s);
      }
      memory.copy(y + (half << 3), x + (half << 3), (size - 2 * half) << 2);
    }
  }
}

/** 1/(1 + e⁻ˣ). */
@inline
function sigmoid(x: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp4(f32x4.neg(x))));
}

/** Integers: gate, up, y, elements. */
export function swiglu(args: usize, begin: usize, end: usize): void {
  const gate = integer(args, 0);
  const up = integer(args, 1);
  const y = integer(args, 2);
  const last = min(integer(args, 3), end * ELEMENTS) << 2;
  let at = (begin * ELEMENTS) << 2;
  for (; at + 16 <= last; at += 16) {
    const x = v128.load(gate + at);
    v128.store(y + at, f32x4.mul(f32x4.mul(x, sigmoid(x)), v128.load(up + at)));
  }
  for (; at < last; at += 4) {
    const x = v128.load_splat<f32>(gate + at);
    store<f32>(y + at, f32x4.extract_lane(f32x4.mul(x, sigmoid(x)), 0) * load<f32>(up + at));
  }
}

/** Integers: gate, up, dy, dGate, dUp, elements. */
export function swigluGrad(args: usize, begin: usize, end: usize): void {
  const gate = integer(args, 0);
  const up = integer(args, 1);
  const dy = integer(args, 2);
  const dGate = integer(args, 3);
  const dUp = integer(args, 4);
  const one = f32x4.splat(1);
  const last = min(integer(args, 5), end * ELEMENTS) << 2;
  let at = (begin * ELEMENTS) << 2;
  for (; at + 16 <= last; at += 16) {
    const x = v128.load(gate + at);
    const s = sigmoid(x);
    const slope = f32x4.mul(v128.load(dy + at), s);
    v128.store(dUp + at, f32x4.mul(slope, x));
    const rest = f32x4.add(one, f32x4.mul(x, f32x4.sub(one, s)));
    v128.store(dGate + at, f32x4.mul(f32x4.mul(slope, v128.load(up + at)), rest));
  }
  for (; at < last; at += 4) {
    const x = load<f32>(gate + at);
    const s = f32x4.extract_lane(sigmoid(f32x4.splat(x)), 0);
    const slope = load<f32>(dy + at) * s;
    store<f32>(dUp + at, slope * x);
    store<f32>(dGate + at, slope * load<f32>(up + at) * (1 + x * (1 - s)));
  }
}
