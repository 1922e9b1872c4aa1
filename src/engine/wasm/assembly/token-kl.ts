// KL divergence of two predictors over the whole vocabulary, from their hidden states, and its gradients in them. The
// vocabulary goes by in chunks as in logprobs.ts.

import { integer, number } from './args';
import { GEMM_SCRATCH, gemm } from './gemm';
import { CHUNK, CHUNK_BYTES, logits, padded } from './logprobs';
import { exp, exps, log, max4, sum4 } from './math';

/** Bytes of running state of a row, from here on: two sides, and Σ e·(z_p − z_q) by the e of p, float64. */
const SIDE: usize = 24;
/** Of a side: maximum and Σe, float64, and the id of the maximum. */
const SUM: usize = 8;
const ID: usize = 16;
const DIFFERENCE: usize = 2 * SIDE;
const STATE: usize = 56;

/** Takes a chunk's maximum into a side's state; returns by what the sums so far shrink. */
function raise(side: usize, z: usize, bytes: usize, first: usize): f64 {
  let top = v128.load(z);
  for (let at: usize = 0; at < bytes; at += 16) top = f32x4.pmax(top, v128.load(z + at));
  const before = load<f64>(side);
  const highest = max4(top);
  if (<f64>highest <= before) return 1;
  let j: usize = 0;
  while (load<f32>(z + (j << 2)) != highest) j++;
  store<f64>(side, <f64>highest);
  store<u32>(side, <u32>(first + j), ID);
  return exp(max<f64>(before - <f64>highest, -1000));
}

/** Takes one row's chunk into its running state. Scratch: a chunk. */
function accumulate(state: usize, zp: usize, zq: usize, chunk: usize, first: usize, scratch: usize): void {
  const bytes = padded(chunk);
  const shrinkP = raise(state, zp, bytes, first);
  const shrinkQ = raise(state + SIDE, zq, bytes, first);
  exps(scratch, zp, bytes, <f32>load<f64>(state));
  let sums = f32x4.splat(0);
  let products = sums;
  for (let at: usize = 0; at < bytes; at += 16) {
    const e = v128.load(scratch + at);
    sums = f32x4.add(sums, e);
    products = f32x4.add(products, f32x4.mul(e, f32x4.sub(v128.load(zp + at), v128.load(zq + at))));
  }
  store<f64>(state, shrinkP * load<f64>(state, SUM) + <f64>sum4(sums), SUM);
  store<f64>(state, shrinkP * load<f64>(state, DIFFERENCE) + <f64>sum4(products), DIFFERENCE);
  exps(scratch, zq, bytes, <f32>load<f64>(state + SIDE));
  sums = f32x4.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) sums = f32x4.add(sums, v128.load(scratch + at));
  store<f64>(state + SIDE, shrinkQ * load<f64>(state + SIDE, SUM) + <f64>sum4(sums), SUM);
}

/**
 * Units are blocks of rows. Floats: temperature. Integers: p, its head, its width, q, its head, its width, kl, lse of p,
 * lse of q, agree, N, V, rows a unit.
 */
export function tokenKl(args: usize, begin: usize, end: usize, scratch: usize): void {
  const scale = <f32>(1 / number(args, 0));
  const widthP = integer(args, 2);
  const widthQ = integer(args, 5);
  const N = integer(args, 10);
  const V = integer(args, 11);
  const unit = integer(args, 12);
  const states = scratch + GEMM_SCRATCH;
  const work = states + unit * STATE; // [CHUNK]
  const zp = work + CHUNK_BYTES; // [rows, CHUNK]
  const zq = zp + unit * CHUNK_BYTES; // [rows, CHUNK]
  for (let row0 = begin * unit; row0 < min(N, end * unit); row0 += unit) {
    const rows = min(unit, N - row0);
    memory.fill(states, 0, rows * STATE);
    for (let row: usize = 0; row < rows; row++) {
      store<f64>(states + row * STATE, -1e30);
      store<f64>(states + row * STATE + SIDE, -1e30);
    }
    const p = integer(args, 0) + ((row0 * widthP) << 2);
    const q = integer(args, 3) + ((row0 * widthQ) << 2);
    for (let v: usize = 0; v < V; v += CHUNK) {
      const chunk = min(CHUNK, V - v);
      logits(p, integer(args, 1) + ((v * widthP) << 2), rows, chunk, widthP, scale, zp, scratch);
      logits(q, integer(args, 4) + ((v * widthQ) << 2), rows, chunk, widthQ, scale, zq, scratch);
      for (let row: usize = 0; row < rows; row++) {
        accumulate(states + row * STATE, zp + row * CHUNK_BYTES, zq + row * CHUNK_BYTES, chunk, v, work);
      }
    }
    for (let row: usize = 0; row < rows; row++) {
      const state = states + row * STATE;
      const lseP = load<f64>(state) + log(load<f64>(state, SUM));
      const lseQ = load<f64>(state + SIDE) + log(load<f64>(state + SIDE, SUM));
      const to = (row0 + row) << 2;
      store<f32>(integer(args, 6) + to, <f32>(load<f64>(state, DIFFERENCE) / load<f64>(state, SUM) - (lseP - lseQ)));
      store<f32>(integer(args, 7) + to, <f32>lseP);
      store<f32>(integer(args, 8) + to, <f32>lseQ);
      store<f32>(integer(args, 9) + to, load<u32>(state, ID) == load<u32>(state + SIDE, ID) ? 1 : 0);
    }
  }
}

/** One row's chunk of z_p to the gradients of one side's, in place. Scratch: a chunk. */
function slope(
  zp: usize, zq: usize, chunk: usize, lseP: f32, lseQ: f32, kl: f32, factor: f32, ofP: bool, scratch: usize,
): void {
  const bytes = padded(chunk);
  const lsesP = f32x4.splat(lseP);
  const lsesQ = f32x4.splat(lseQ);
  const kls = f32x4.splat(kl);
  const factors = f32x4.splat(factor);
  exps(scratch, zp, bytes, lseP);
  if (!ofP) exps(zp, zq, bytes, lseQ);
  for (let at: usize = 0; at < bytes; at += 16) {
    const P = v128.load(scratch + at);
    if (ofP) {
      const logP = f32x4.sub(v128.load(zp + at), lsesP);
      const logQ = f32x4.sub(v128.load(zq + at), lsesQ);
      v128.store(zp + at, f32x4.mul(factors, f32x4.mul(P, f32x4.sub(f32x4.sub(logP, logQ), kls))));
    } else v128.store(zp + at, f32x4.mul(factors, f32x4.sub(v128.load(zp + at), P)));
  }
}

/**
 * dz_p = dKl·P·(log P − log Q − KL)/temperature or dz_q = dKl·(Q − P)/temperature, and dHidden = dz·head of that side.
 * Units are blocks of rows. Floats: temperature. Integers: p, its head, its width, q, its head, its width, kl, lse of p,
 * lse of q, dKl, dHidden, whether that is of p, N, V, rows a unit.
 */
export function tokenKlGrad(args: usize, begin: usize, end: usize, scratch: usize): void {
  const scale = <f32>(1 / number(args, 0));
  const widthP = integer(args, 2);
  const widthQ = integer(args, 5);
  const ofP = <bool>integer(args, 11);
  const N = integer(args, 12);
  const V = integer(args, 13);
  const unit = integer(args, 14);
  const stride = (ofP ? widthP : widthQ) << 2;
  const work = scratch + GEMM_SCRATCH; // [CHUNK]
  const zp = work + CHUNK_BYTES; // [rows, CHUNK]
  const zq = zp + unit * CHUNK_BYTES; // [rows, CHUNK]
  for (let row0 = begin * unit; row0 < min(N, end * unit); row0 += unit) {
    const rows = min(unit, N - row0);
    const p = integer(args, 0) + ((row0 * widthP) << 2);
    const q = integer(args, 3) + ((row0 * widthQ) << 2);
    const to = integer(args, 10) + row0 * stride;
    for (let v: usize = 0; v < V; v += CHUNK) {
      const chunk = min(CHUNK, V - v);
      const headP = integer(args, 1) + ((v * widthP) << 2);
      const headQ = integer(args, 4) + ((v * widthQ) << 2);
      logits(p, headP, rows, chunk, widthP, scale, zp, scratch);
      logits(q, headQ, rows, chunk, widthQ, scale, zq, scratch);
      for (let row: usize = 0; row < rows; row++) {
        const at = (row0 + row) << 2;
        const here = row * CHUNK_BYTES;
        const kl = load<f32>(integer(args, 6) + at);
        const lseP = load<f32>(integer(args, 7) + at);
        const lseQ = load<f32>(integer(args, 8) + at);
        const factor = scale * load<f32>(integer(args, 9) + at);
        slope(zp + here, zq + here, chunk, lseP, lseQ, kl, factor, ofP, work);
      }
      gemm(
        zp, CHUNK_BYTES, 4, ofP ? headP : headQ, stride, 4, to, stride,
        rows, stride >> 2, chunk, v ? to : 0, stride, 1, 0, 0, scratch,
      );
    }
  }
}
