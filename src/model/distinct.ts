// What of a padded batch must be computed at all. Padding need not be; and where texts begin alike (two answers to one
// prompt, a group of eight) so do their hidden states, for these depend on what precedes a token and on nothing else.
// So each beginning is computed once, forward and backward: the texts of a batch are a forest.

import type { Forest } from '../engine/ops/attention';
import type { TokenBatch } from './types';

export interface Tokens extends Forest {
  /** Of the N tokens, [N]; 0 for those that are none. */
  ids: Int32Array;
}

/** Shapes seen by the device are kept few: N is rounded up to this. */
const ROWS = 32;

/** Equal beginnings are those of equal ids since the start of a row's (or packed document's) own tokens. */
export function distinctTokens({ ids, mask, batch, length }: TokenBatch): Tokens {
  const of = new Int32Array(batch * length).fill(-1);
  // In the order in which they come: where, after which other (−1 for none), and with how many that go on from them.
  const firsts: number[] = [];
  const befores: number[] = [];
  const sizes: number[] = [];
  // By (token before, id) which token it is; ids are below 2²⁴ (architectures/config.ts).
  const known = new Map<number, number>();
  for (let i = 0; i < of.length; i++) {
    if (mask[i] === 0) continue;
    const before = goesOn(mask, i, length) ? of[i - 1]! : -1;
    const key = (before + 1) * 2 ** 24 + ids[i]!;
    let token = known.get(key);
    if (token === undefined) {
      token = firsts.length;
      known.set(key, token);
      firsts.push(i);
      befores.push(before);
      sizes.push(1);
    }
    of[i] = token;
  }
  for (let token = firsts.length - 1; token >= 0; token--) {
    if (befores[token]! >= 0) sizes[befores[token]!]! += sizes[token]!;
  }
  // Numbered anew, so that what goes on from a token follows it.
  const N = Math.ceil(Math.max(1, firsts.length) / ROWS) * ROWS;
  const forest = {
    ids: new Int32Array(N),
    first: new Int32Array(N).fill(-1),
    depth: new Int32Array(N),
    end: Int32Array.from({ length: N }, (_, r) => r),
  };
  const numbers: number[] = [];
  const free: number[] = []; // for the next that goes on from each
  let root = 0;
  firsts.forEach((place, token) => {
    const before = befores[token]!;
    const number = before < 0 ? root : free[before]!;
    if (before < 0) root += sizes[token]!;
    else free[before]! += sizes[token]!;
    numbers.push(number);
    free.push(number + 1);
    forest.ids[number] = ids[place]!;
    forest.first[number] = place;
    forest.depth[number] = before < 0 ? 0 : forest.depth[numbers[before]!]! + 1;
    forest.end[number] = number + sizes[token]!;
  });
  return { ...forest, of: of.map((token) => (token < 0 ? -1 : numbers[token]!)), batch };
}

/** Every token by itself, and padding too, in the order of [B·T]: N = B·T. */
export function allTokens({ ids, mask, batch, length }: TokenBatch): Tokens {
  const first = mask.map((own, i) => (own === 0 ? -1 : i));
  const depth = new Int32Array(mask.length);
  const end = Int32Array.from(mask.keys());
  for (let i = 1; i < mask.length; i++) if (goesOn(mask, i, length)) depth[i] = depth[i - 1]! + 1;
  for (let i = mask.length - 1; i >= 0; i--) {
    if (mask[i] !== 0) end[i] = i + 1 < mask.length && goesOn(mask, i + 1, length) ? end[i + 1]! : i + 1;
  }
  return { ids, first, depth, end, of: first, batch };
}

/** Whether the token at i goes on from the one before it. */
function goesOn(mask: Int32Array, i: number, length: number): boolean {
  return i % length > 0 && mask[i] !== 0 && mask[i] === mask[i - 1];
}

/** Which distinct rows a list of places in [B·T] reads, each once, and where in them each place is found; −1 for none. */
export function distinctRows(rows: Int32Array, { of }: Forest): { read: Int32Array; from: Int32Array } {
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
