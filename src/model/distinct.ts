// What of a padded batch must be computed at all. Padding need not be; and where texts begin alike (two answers to one
// prompt, a group of eight) so do their hidden states, for these depend on what precedes a token and on nothing else.
// So each beginning is computed once, forward and backward, and only attention meets the batch as it lies.

import type { TokenBatch } from './types';

export interface Distinct {
  /** Of the N distinct tokens, [N] each; what N was rounded up by is token 0 at position 0, and read by nobody. */
  ids: Int32Array;
  positions: Int32Array;
  /** Where in [B·T] each comes first, [N]; −1 for none. */
  first: Int32Array;
  /** Which of the N each of [B·T] is; −1 at padding. */
  of: Int32Array;
}

/** Shapes seen by the device are kept few: N is rounded up to this. */
const ROWS = 32;

/** Above this share of the padded batch it is not worth the way there and back. */
const WORTH = 0.9;

/** Null where it would save too little. Equal beginnings are those of equal ids since the start of a row's (or packed
 *  document's) own tokens. The N stand in the order of [B·T], so that sums over tokens keep theirs. */
export function distinctTokens({ ids, mask, batch, length }: TokenBatch): Distinct | null {
  const size = batch * length;
  const of = new Int32Array(size).fill(-1);
  const firsts: number[] = [];
  const places: number[] = [];
  // By (token before, id) which token it is; ids are below 2²⁴ (architectures/config.ts).
  const known = new Map<number, number>();
  for (let i = 0; i < size; i++) {
    if (mask[i] === 0) continue;
    const goesOn = i % length > 0 && mask[i] === mask[i - 1];
    const before = goesOn ? of[i - 1]! : -1;
    const key = (before + 1) * 2 ** 24 + ids[i]!;
    let token = known.get(key);
    if (token === undefined) {
      token = firsts.length;
      known.set(key, token);
      firsts.push(i);
      places.push(before < 0 ? 0 : places[before]! + 1);
    }
    of[i] = token;
  }
  const N = Math.ceil(firsts.length / ROWS) * ROWS;
  if (N > WORTH * size) return null;
  const padded = (values: ArrayLike<number>, rest: number): Int32Array => {
    const result = new Int32Array(N).fill(rest);
    result.set(values);
    return result;
  };
  return {
    ids: padded(
      Int32Array.from(firsts, (i) => ids[i]!),
      0,
    ),
    positions: padded(places, 0),
    first: padded(firsts, -1),
    of,
  };
}

/** Which distinct rows a list of places in [B·T] reads, each once, and where in them each place is found; −1 for none. */
export function distinctRows(rows: Int32Array, { of }: Distinct): { read: Int32Array; from: Int32Array } {
  const slots = new Map<number, number>();
  const from = rows.map((row) => {
    const token = row < 0 ? -1 : of[row]!;
    if (token < 0) return -1;
    if (!slots.has(token)) slots.set(token, slots.size);
    return slots.get(token)!;
  });
  const read = new Int32Array(Math.ceil(Math.max(1, slots.size) / ROWS) * ROWS).fill(-1);
  read.set([...slots.keys()]);
  return { read, from };
}
