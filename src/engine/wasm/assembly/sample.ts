// Draws the next token of each row, in float64 as the reference does: inverse transform over the kept tokens in the
// order of their ids.

import { integer, number } from './args';
import { exp, exp2, log } from './math';

@inline
function weight(weights: usize, id: u32): f64 {
  return load<f64>(weights + (<usize>id << 3));
}

/** True if token i is more likely than j, or as likely and lower. */
@inline
function before(weights: usize, i: u32, j: u32): bool {
  const a = weight(weights, i);
  const b = weight(weights, j);
  return a > b || (a == b && i < j);
}

/** Restores a heap of ids, the most likely on top, below position `at`. */
function sink(heap: usize, size: usize, at: usize, weights: usize): void {
  const id = load<u32>(heap + (at << 2));
  for (;;) {
    let child: usize = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && before(weights, load<u32>(heap + (child << 2), 4), load<u32>(heap + (child << 2)))) child++;
    const next = load<u32>(heap + (child << 2));
    if (!before(weights, next, id)) break;
    store<u32>(heap + (at << 2), next);
    at = child;
  }
  store<u32>(heap + (at << 2), id);
}

/** Takes the most likely id off the heap and puts it behind the others. */
function pop(heap: usize, size: usize, weights: usize): u32 {
  const top = load<u32>(heap);
  store<u32>(heap, load<u32>(heap + ((size - 1) << 2)));
  store<u32>(heap + ((size - 1) << 2), top);
  sink(heap, size - 1, 0, weights);
  return top;
}

/** Sets the weights of all tokens outside the top k and the nucleus to 0. Scratch: V ids. */
function truncate(weights: usize, V: usize, topK: usize, topP: f64, heap: usize): void {
  const keep = topK ? min(topK, V) : V;
  for (let id: usize = 0; id < V; id++) store<u32>(heap + (id << 2), <u32>id);
  for (let at = V >> 1; at > 0; at--) sink(heap, V, at - 1, weights);
  let size = V;
  let total: f64 = 0;
  if (keep < V) {
    for (; size > V - keep; size--) total += weight(weights, pop(heap, size, weights));
    for (let at: usize = 0; at < size; at++) store<f64>(weights + (<usize>load<u32>(heap + (at << 2)) << 3), 0);
  } else {
    for (let id: usize = 0; id < V; id++) total += weight(weights, <u32>id);
  }
  if (topP >= 1) return;
  let reached: f64 = 0;
  // The most likely tokens are at the end of the heap's array if popped, else popped here.
  for (let rank: usize = 0; rank < keep; rank++) {
    if (reached >= topP * total) {
      if (keep < V) {
        for (; rank < keep; rank++) store<f64>(weights + (<usize>load<u32>(heap + ((V - 1 - rank) << 2)) << 3), 0);
      } else {
        for (let at: usize = 0; at < size; at++) store<f64>(weights + (<usize>load<u32>(heap + (at << 2)) << 3), 0);
      }
      return;
    }
    const id = keep < V ? load<u32>(heap + ((V - 1 - rank) << 2)) : pop(heap, size--, weights);
    reached += weight(weights, id);
  }
}

/** Weights e^((zᵥ − top)/temperature) of a row; returns their sum. */
function weigh(weights: usize, logits: usize, V: usize, top: f64, temperature: f64): f64 {
  const tops = f64x2.splat(top);
  const divisor = f64x2.splat(temperature);
  let sums = f64x2.splat(0);
  let v: usize = 0;
  for (; v + 4 <= V; v += 4) {
    const z = v128.load(logits + (v << 2));
    const low = f64x2.promote_low_f32x4(z);
    const high = f64x2.promote_low_f32x4(v128.shuffle<i64>(z, z, 1, 0));
    const w0 = exp2(f64x2.div(f64x2.sub(low, tops), divisor));
    const w1 = exp2(f64x2.div(f64x2.sub(high, tops), divisor));
    v128.store(weights + (v << 3), w0);
    v128.store(weights + (v << 3), w1, 16);
    sums = f64x2.add(sums, f64x2.add(w0, w1));
  }
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (; v < V; v++) {
    const w = exp((<f64>load<f32>(logits + (v << 2)) - top) / temperature);
    store<f64>(weights + (v << 3), w);
    sum += w;
  }
  return sum;
}

/**
 * Units are rows. Floats: temperature, topP. Integers: logits, uniforms, ids, logprobs, V, topK, banned id (−1 none).
 * Scratch: V float64, V int32.
 */
export function sample(args: usize, begin: usize, end: usize, scratch: usize): void {
  const temperature = number(args, 0);
  const topP = number(args, 1);
  const V = integer(args, 4);
  const topK = integer(args, 5);
  const banned = integer(args, 6);
  const weights = scratch;
  for (let row = begin; row < end; row++) {
    const logits = integer(args, 0) + ((row * V) << 2);
    let best: usize = banned == 0 ? 1 : 0;
    let highest = load<f32>(logits);
    for (let v: usize = 0; v < V; v++) {
      const z = load<f32>(logits + (v << 2));
      if (z > highest) highest = z;
      if (v != banned && z > load<f32>(logits + (best << 2))) best = v;
    }
    const sum = weigh(weights, logits, V, <f64>highest, 1);
    let id = best;
    if (temperature > 0) {
      const top = load<f32>(logits + (best << 2));
      let total = sum;
      if (temperature != 1 || top != highest) total = weigh(weights, logits, V, <f64>top, temperature);
      if (banned < V) store<f64>(weights + (banned << 3), 0);
      const truncated = (topK && topK < V) || topP < 1;
      if (truncated) truncate(weights, V, topK, topP, scratch + (V << 3));
      if (truncated || banned < V) {
        total = 0;
        for (let v: usize = 0; v < V; v++) total += weight(weights, <u32>v);
      }
      let left = <f64>load<f32>(integer(args, 1) + (row << 2)) * total;
      for (let v: usize = 0; v < V; v++) {
        const w = weight(weights, <u32>v);
        if (w == 0) continue;
        id = v;
        left -= w;
        if (left < 0) break;
      }
    }
    store<u32>(integer(args, 2) + (row << 2), <u32>id);
    store<f32>(integer(args, 3) + (row << 2), <f32>(<f64>load<f32>(logits + (id << 2)) - (<f64>highest + log(sum))));
  }
}
