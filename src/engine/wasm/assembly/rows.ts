// Kernels that move rows: gather and its adjoints, and writing to a key or value cache.

import { integer } from './args';

/** Rows of the output of a unit. */
const UNIT: usize = 512;

/** out[n] = table[ids[n]], zeros for an id out of range. Units are blocks of n. Integers: table, ids, out, N, C, rows. */
export function gatherRows(args: usize, begin: usize, end: usize): void {
  const stride = integer(args, 4) << 2;
  const last = min(integer(args, 3), end * UNIT);
  for (let n = begin * UNIT; n < last; n++) {
    const id = load<usize>(integer(args, 1) + (n << 2));
    const to = integer(args, 2) + n * stride;
    if (id < integer(args, 5)) memory.copy(to, integer(args, 0) + id * stride, stride);
    else memory.fill(to, 0, stride);
  }
}

/** out[ids[n]] += x[n] in the order of n. Units are blocks of the output. Integers: x, ids, out, N, C, rows. */
export function scatterRows(args: usize, begin: usize, end: usize): void {
  const ids = integer(args, 1);
  const out = integer(args, 2);
  const N = integer(args, 3);
  const stride = integer(args, 4) << 2;
  const first = begin * UNIT;
  const last = min(integer(args, 5), end * UNIT);
  memory.fill(out + first * stride, 0, (last - first) * stride);
  for (let n: usize = 0; n < N; n++) {
    const id = load<usize>(ids + (n << 2));
    if (id < first || id >= last) continue;
    addRow(out + id * stride, integer(args, 0) + n * stride, stride);
  }
}

/** to += x, `bytes` bytes of floats. */
export function addRow(to: usize, x: usize, bytes: usize): void {
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(x + at)));
  for (; at < bytes; at += 4) store<f32>(to + at, load<f32>(to + at) + load<f32>(x + at));
}

/**
 * out[r] = Σ x[places[p]] over p = starts[r] … starts[r + 1] − 1, in their order. Units are blocks of r. Integers: x,
 * starts, places, out, C, rows.
 */
export function sumRows(args: usize, begin: usize, end: usize): void {
  const stride = integer(args, 4) << 2;
  const last = min(integer(args, 5), end * UNIT);
  for (let r = begin * UNIT; r < last; r++) {
    const to = integer(args, 3) + r * stride;
    const starts = integer(args, 1) + (r << 2);
    memory.fill(to, 0, stride);
    for (let p = load<usize>(starts); p < load<usize>(starts, 4); p++) {
      addRow(to, integer(args, 0) + load<usize>(integer(args, 2) + (p << 2)) * stride, stride);
    }
  }
}

/** x [B, t, C] to slots start … of cache [B, S, C]. Units are rows of the batch. Integers: cache, x, t, C, S, start. */
export function cacheWrite(args: usize, begin: usize, end: usize): void {
  const stride = integer(args, 3) << 2;
  const bytes = integer(args, 2) * stride;
  for (let row = begin; row < end; row++) {
    const to = integer(args, 0) + (row * integer(args, 4) + integer(args, 5)) * stride;
    memory.copy(to, integer(args, 1) + row * bytes, bytes);
  }
}
