// LayerNorm and its gradient in x, a row at a time; statistics are computed again in the backward pass.

import { integer, number } from './args';
import { sum4 } from './math';

const UNIT: usize = 32;

@inline
function mean(x: usize, n: usize): f32 {
  let v = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) v = f32x4.add(v, v128.load(x + (i << 2)));
  let sum = sum4(v);
  for (; i < n; i++) sum += load<f32>(x + (i << 2));
  return sum / <f32>n;
}

/** 1/√(variance + eps). */
@inline
function inverseDeviation(x: usize, n: usize, mean: f32, eps: f32): f32 {
  const means = f32x4.splat(mean);
  let v = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    const d = f32x4.sub(v128.load(x + (i << 2)), means);
    v = f32x4.add(v, f32x4.mul(d, d));
  }
  let sum = sum4(v);
  for (; i < n; i++) {
    const d = load<f32>(x + (i << 2)) - mean;
    sum += d * d;
  }
  return 1 / sqrt<f32>(sum / <f32>n + eps);
}

/** Floats: eps. Integers: x, gamma, beta, y, rows, columns. */
export function layerNorm(args: usize, begin: usize, end: usize): void {
  const eps = <f32>number(args, 0);
  const gamma = integer(args, 1);
  const beta = integer(args, 2);
  const n = integer(args, 5);
  const last = min(integer(args, 4), end * UNIT);
  for (let row = begin * UNIT; row < last; row++) {
    const x = integer(args, 0) + ((row * n) << 2);
    const y = integer(args, 3) + ((row * n) << 2);
    const mu = mean(x, n);
    const inverse = inverseDeviation(x, n, mu, eps);
    const mus = f32x4.splat(mu);
    const inverses = f32x4.splat(inverse);
    let i: usize = 0;
    for (; i + 4 <= n; i += 4) {
      const at = i << 2;
      const normal = f32x4.mul(f32x4.sub(v128.load(x + at), mus), inverses);
      v128.store(y + at, f32x4.add(f32x4.mul(normal, v128.load(gamma + at)), v128.load(beta + at)));
    }
    for (; i < n; i++) {
      const at = i << 2;
      store<f32>(y + at, (load<f32>(x + at) - mu) * inverse * load<f32>(gamma + at) + load<f32>(beta + at));
    }
  }
}

/**
 * dx = (g − mean g − x̂·mean(g·x̂))/σ with g = dy·gamma, plus `add`. Floats: eps. Integers: x, gamma, dy, dx, rows,
 * columns, add (0 for none).
 */
export function layerNormGrad(args: usize, begin: usize, end: usize): void {
  const eps = <f32>number(args, 0);
  const gamma = integer(args, 1);
  const n = integer(args, 5);
  const add = integer(args, 6);
  const last = min(integer(args, 4), end * UNIT);
  for (let row = begin * UNIT; row < last; row++) {
    const x = integer(args, 0) + ((row * n) << 2);
    const dy = integer(args, 2) + ((row * n) << 2);
    const dx = integer(args, 3) + ((row * n) << 2);
    const mu = mean(x, n);
    const inverse = inverseDeviation(x, n, mu, eps);
    const mus = f32x4.splat(mu);
    const inverses = f32x4.splat(inverse);
    let gs = f32x4.splat(0);
    let gxs = gs;
    let i: usize = 0;
    for (; i + 4 <= n; i += 4) {
      const at = i << 2;
      const g = f32x4.mul(v128.load(dy + at), v128.load(gamma + at));
      gs = f32x4.add(gs, g);
      gxs = f32x4.add(gxs, f32x4.mul(g, f32x4.mul(f32x4.sub(v128.load(x + at), mus), inverses)));
    }
    let meanG = sum4(gs);
    let meanGx = sum4(gxs);
    for (; i < n; i++) {
      const at = i << 2;
      const g = load<f32>(dy + at) * load<f32>(gamma + at);
      meanG += g;
      meanGx += g * (load<f32>(x + at) - mu) * inverse;
    }
    meanG /= <f32>n;
    meanGx /= <f32>n;
    const meansG = f32x4.splat(meanG);
    const meansGx = f32x4.splat(meanGx);
    for (i = 0; i + 4 <= n; i += 4) {
      const at = i << 2;
      const g = f32x4.mul(v128.load(dy + at), v128.load(gamma + at));
      const normal = f32x4.mul(f32x4.sub(v128.load(x + at), mus), inverses);
      const change = f32x4.mul(inverses, f32x4.sub(f32x4.sub(g, meansG), f32x4.mul(normal, meansGx)));
      v128.store(dx + at, add ? f32x4.add(v128.load(add + ((row * n) << 2) + at), change) : change);
    }
    for (; i < n; i++) {
      const at = i << 2;
      const g = load<f32>(dy + at) * load<f32>(gamma + at);
      const change = inverse * (g - meanG - (load<f32>(x + at) - mu) * inverse * meanGx);
      store<f32>(dx + at, add ? load<f32>(add + ((row * n) << 2) + at) + change : change);
    }
  }
}
