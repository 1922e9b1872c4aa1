// Log-probabilities of given tokens and entropies from hidden states, and their gradient in the hidden states. The
// vocabulary goes by in chunks with a running maximum and sum. Where gradients are taken, the slopes of the
// log-probabilities come along; only the entropies' need each chunk computed again.

import { integer, number } from './args';
import { GEMM_SCRATCH, gemm } from './gemm';
import { exp, exps, log, max4, sum4 } from './math';

/** Vocabulary entries of a chunk. */
export const CHUNK: usize = 256;
export const CHUNK_BYTES: usize = CHUNK * 4;
/** Bytes of running state of a row: maximum, Σe, Σe·z, chosen logit; float64, z from the maximum on. */
const STATE: usize = 32;

/** Logits z = hidden·headᵀ/temperature of some rows for one chunk, padded to fours with −1e30. */
export function logits(
  hidden: usize, head: usize, rows: usize, chunk: usize, width: usize, scale: f32, z: usize, scratch: usize,
): void {
  const stride = width << 2;
  gemm(hidden, stride, 4, head, 4, stride, z, CHUNK_BYTES, rows, chunk, width, 0, 0, scale, 0, 0, scratch);
  for (let row: usize = 0; row < rows; row++) {
    for (let j = chunk; j & 3; j++) store<f32>(z + row * CHUNK_BYTES + (j << 2), -1e30);
  }
}

@inline
export function padded(chunk: usize): usize {
  return ((chunk + 3) & ~3) << 2;
}

/** Takes one row's chunk into its running state and leaves e^(z − maximum) in its place; returns by what the sums so far
 *  shrink. Scratch: a chunk. */
function accumulate(state: usize, z: usize, chunk: usize, scratch: usize): f64 {
  const bytes = padded(chunk);
  let top = v128.load(z);
  for (let at: usize = 0; at < bytes; at += 16) top = f32x4.pmax(top, v128.load(z + at));
  const before = load<f64>(state);
  const highest = max<f64>(before, <f64>max4(top));
  const highests = f32x4.splat(<f32>highest);
  let sums = f32x4.splat(0);
  let products = sums;
  exps(scratch, z, bytes, <f32>highest);
  for (let at: usize = 0; at < bytes; at += 16) {
    const e = v128.load(scratch + at);
    sums = f32x4.add(sums, e);
    products = f32x4.add(products, f32x4.mul(e, f32x4.sub(v128.load(z + at), highests)));
    v128.store(z + at, e);
  }
  const shift = max<f64>(before - highest, -1000);
  const factor = exp(shift);
  const sum = load<f64>(state, 8);
  store<f64>(state, highest);
  store<f64>(state, factor * sum + <f64>sum4(sums), 8);
  store<f64>(state, factor * (load<f64>(state, 16) + sum * shift) + <f64>sum4(products), 16);
  return factor;
}

/** to = scale · x of n numbers. */
function multiply(to: usize, x: usize, scale: f32, n: usize): void {
  const scales = f32x4.splat(scale);
  const bytes = n << 2;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(to + at, f32x4.mul(v128.load(x + at), scales));
  for (; at < bytes; at += 4) store<f32>(to + at, load<f32>(x + at) * scale);
}

/** slope = scale · (own − slope/sum) of n numbers. */
function centre(slope: usize, own: usize, sum: f32, scale: f32, n: usize): void {
  const inverses = f32x4.splat(1 / sum);
  const scales = f32x4.splat(scale);
  const bytes = n << 2;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    const expected = f32x4.mul(v128.load(slope + at), inverses);
    v128.store(slope + at, f32x4.mul(scales, f32x4.sub(v128.load(own + at), expected)));
  }
  for (; at < bytes; at += 4) store<f32>(slope + at, scale * (load<f32>(own + at) - load<f32>(slope + at) * (1 / sum)));
}

/**
 * Units are blocks of rows. Floats: temperature. Integers: hidden, head, ids, logprobs, entropy, lse, correct, N, V, C,
 * rows a unit (≤ 128), slopes [N, C] (0 = none): (head[id] − Σ p·head)/temperature, what the hidden states' gradient is
 * a multiple of.
 */
export function tokenLogprobs(args: usize, begin: usize, end: usize, scratch: usize): void {
  const scale = <f32>(1 / number(args, 0));
  const head = integer(args, 1);
  const N = integer(args, 7);
  const V = integer(args, 8);
  const C = integer(args, 9);
  const unit = integer(args, 10);
  const slopes = integer(args, 11);
  const stride = C << 2;
  const states = scratch + GEMM_SCRATCH;
  const work = states + unit * STATE; // [CHUNK]
  const z = work + CHUNK_BYTES; // [rows, CHUNK]
  for (let row0 = begin * unit; row0 < min(N, end * unit); row0 += unit) {
    const rows = min(unit, N - row0);
    const ids = integer(args, 2) + (row0 << 2);
    for (let row: usize = 0; row < rows; row++) {
      memory.fill(states + row * STATE, 0, STATE);
      store<f64>(states + row * STATE, -1e30);
    }
    for (let v: usize = 0; v < V; v += CHUNK) {
      const chunk = min(CHUNK, V - v);
      logits(integer(args, 0) + ((row0 * C) << 2), head + ((v * C) << 2), rows, chunk, C, scale, z, scratch);
      const to = slopes ? slopes + row0 * stride : 0;
      for (let row: usize = 0; row < rows; row++) {
        const state = states + row * STATE;
        const id = load<usize>(ids + (row << 2)) - v;
        if (id < chunk) store<f64>(state, <f64>load<f32>(z + row * CHUNK_BYTES + (id << 2)), 24);
        const factor = accumulate(state, z + row * CHUNK_BYTES, chunk, work);
        if (to && v && factor != 1) multiply(to + row * stride, to + row * stride, <f32>factor, C);
      }
      if (to) {
        gemm(
          z, CHUNK_BYTES, 4, head + v * stride, stride, 4, to, stride,
          rows, C, chunk, v ? to : 0, stride, 1, 0, 0, scratch,
        );
      }
    }
    for (let row: usize = 0; row < rows; row++) {
      const state = states + row * STATE;
      const sum = load<f64>(state, 8);
      const logSum = log(sum);
      const most = load<f64>(state);
      const lse = most + logSum;
      if (slopes) centre(slopes + (row0 + row) * stride, head + load<usize>(ids + (row << 2)) * stride, <f32>sum, scale, C);
      const to = (row0 + row) << 2;
      store<f32>(integer(args, 3) + to, <f32>(load<f64>(state, 24) - lse));
      store<f32>(integer(args, 4) + to, <f32>(logSum - load<f64>(state, 16) / sum));
      store<f32>(integer(args, 5) + to, <f32>lse);
      store<f32>(integer(args, 6) + to, load<f64>(state, 24) >= most ? 1 : 0);
    }
  }
}

/** Units are blocks of rows: dHidden = dLogprob · slope. Integers: slopes, dLogprobs, dHidden, N, C, rows a unit. */
export function scaleRows(args: usize, begin: usize, end: usize): void {
  const C = integer(args, 4);
  const unit = integer(args, 5);
  for (let row = begin * unit; row < min(integer(args, 3), end * unit); row++) {
    const at = (row * C) << 2;
    multiply(integer(args, 2) + at, integer(args, 0) + at, load<f32>(integer(args, 1) + (row << 2)), C);
  }
}

/** One row's chunk of logits to their gradients, in place, all but the chosen token's own. Scratch: a chunk. */
function slope(
  z: usize, chunk: usize, lse: f32, entropy: f32, dLogprob: f32, dEntropy: f32, scale: f32, scratch: usize,
): void {
  const bytes = padded(chunk);
  const lses = f32x4.splat(lse);
  const entropies = f32x4.splat(entropy);
  const byLogprob = f32x4.splat(dLogprob);
  const byEntropy = f32x4.splat(dEntropy);
  const scales = f32x4.splat(-scale);
  exps(scratch, z, bytes, lse);
  for (let at: usize = 0; at < bytes; at += 16) {
    const logp = f32x4.sub(v128.load(z + at), lses);
    const factor = f32x4.add(byLogprob, f32x4.mul(byEntropy, f32x4.add(logp, entropies)));
    v128.store(z + at, f32x4.mul(scales, f32x4.mul(v128.load(scratch + at), factor)));
  }
}

/**
 * dz = (dLogprob·(onehot − p) − dEntropy·p(log p + H))/temperature and dHidden = dz·head. Units are blocks of rows.
 * Floats: temperature. Integers: hidden, head, ids, entropy, lse, dLogprobs, dEntropy, dHidden, N, V, C, rows a unit.
 */
export function tokenLogprobsGrad(args: usize, begin: usize, end: usize, scratch: usize): void {
  const scale = <f32>(1 / number(args, 0));
  const N = integer(args, 8);
  const V = integer(args, 9);
  const C = integer(args, 10);
  const unit = integer(args, 11);
  const stride = C << 2;
  const work = scratch + GEMM_SCRATCH; // [CHUNK]
  const z = work + CHUNK_BYTES; // [rows, CHUNK]
  for (let row0 = begin * unit; row0 < min(N, end * unit); row0 += unit) {
    const rows = min(unit, N - row0);
    const to = integer(args, 7) + row0 * stride;
    for (let v: usize = 0; v < V; v += CHUNK) {
      const chunk = min(CHUNK, V - v);
      const head = integer(args, 1) + v * stride;
      logits(integer(args, 0) + row0 * stride, head, rows, chunk, C, scale, z, scratch);
      for (let row: usize = 0; row < rows; row++) {
        const at = (row0 + row) << 2;
        const here = z + row * CHUNK_BYTES;
        const dLogprob = load<f32>(integer(args, 5) + at);
        const entropy = load<f32>(integer(args, 3) + at);
        const dEntropy = load<f32>(integer(args, 6) + at);
        slope(here, chunk, load<f32>(integer(args, 4) + at), entropy, dLogprob, dEntropy, scale, work);
        const id = load<usize>(integer(args, 2) + at) - v;
        if (id < chunk) store<f32>(here + (id << 2), load<f32>(here + (id << 2)) + scale * dLogprob);
      }
      gemm(
        z, CHUNK_BYTES, 4, head, stride, 4, to, stride, rows, C, chunk, v ? to : 0, stride, 1, 0, 0, scratch,
      );
    }
  }
}
