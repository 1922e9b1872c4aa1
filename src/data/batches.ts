// From ragged lists of token ids to padded batches, and which rows a step learns from. Both are pure: the rows of
// step s follow from (seed, stage, s) alone, so a resumed run needs no cursor.

import { permutation } from '../engine/random';
import type { CompletionBatch } from '../model/types';

/** A prompt and what follows it, in one list of ids; the first `promptLength` are the prompt's. */
export interface Sequence {
  ids: readonly number[];
  promptLength: number;
}

/** A prompt with its completion after it. */
export const joined = (prompt: readonly number[], completion: readonly number[]): Sequence => ({
  ids: [...prompt, ...completion],
  promptLength: prompt.length,
});

/** Lengths are rounded up to multiples of this, so that the device sees few shapes and its buffers are reused. */
const BUCKET = 16;

/** The padded length of a batch whose longest row has `longest` tokens, never above the model's context. */
export function bucketLength(longest: number, context: number): number {
  if (longest > context)
    throw new Error(`a row of ${longest} tokens is longer than the context of ${context}`);
  return Math.min(Math.ceil(longest / BUCKET) * BUCKET, context);
}

/** How many of the `wanted` new tokens there is room for after the longest of some prompts. */
export const roomAfter = (prompts: readonly number[], wanted: number, context: number): number =>
  Math.min(wanted, context - Math.max(...prompts));

/** Pads on the right. Padding has id 0 and mask 0; `completion` is 1 from a row's prompt to its end. */
export function collate(sequences: readonly Sequence[], context: number): CompletionBatch {
  const batch = sequences.length;
  const length = bucketLength(Math.max(1, ...sequences.map(({ ids }) => ids.length)), context);
  const ids = new Int32Array(batch * length);
  const mask = new Int32Array(batch * length);
  const completion = new Int32Array(batch * length);
  sequences.forEach((row, i) => {
    const start = i * length;
    const end = start + row.ids.length;
    ids.set(row.ids, start);
    mask.fill(1, start, end);
    completion.fill(1, start + row.promptLength, end);
  });
  return { ids, mask, completion, batch, length };
}

/** What makes a permutation of rows more than one of any rows: their lengths, or keys that some of them share. */
interface RowOrder {
  lengths?: readonly number[] | undefined;
  keys?: readonly unknown[] | undefined;
}

/** The share of the rows, the shortest, that a curriculum begins with. */
const SHORTEST = 0.1;

/**
 * As `batchIndices`, by a stage's settings: for the first `curriculum_steps` steps a batch is drawn from the shortest rows
 * alone, a tenth of all at first and then more and more, each draw a function of seed and step.
 */
export function stepRows(
  lengths: readonly number[],
  batchSize: number,
  step: number,
  { seed, name }: { seed: number; name: string },
  settings: { group_by_length: boolean; curriculum_steps: number },
  keys?: RowOrder['keys'],
): number[] {
  const { group_by_length: grouped, curriculum_steps: steps } = settings;
  const count = lengths.length;
  if (step >= steps)
    return batchIndices(count, batchSize, step, seed, name, {
      lengths: grouped ? lengths : undefined,
      keys,
    });
  const shortest = Array.from(lengths.keys()).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const share = SHORTEST + ((1 - SHORTEST) * step) / steps;
  const open = Math.min(count, Math.max(batchSize, Math.ceil(share * count)));
  const drawn = permutation(open, seed, name, 'curriculum', step);
  return Array.from({ length: batchSize }, (_, i) => shortest[drawn[i % open]!]!);
}

/** Batches whose rows are sorted together when grouping by length. */
const GROUP = 16;

/**
 * The rows out of `count` that step `step` (0-based) learns from. The steps walk through one permutation of the rows
 * after another; each row comes once in each, and a batch may reach from one into the next. With `lengths`, rows of
 * similar length meet: within a permutation, runs of 16 batches are sorted by length and their batches shuffled. With
 * `keys`, the first of the rows with a key brings the others along, so that most of them meet.
 */
export function batchIndices(
  count: number,
  batchSize: number,
  step: number,
  seed: number,
  stage: string,
  { lengths, keys }: RowOrder = {},
): number[] {
  const orders = new Map<number, Int32Array>();
  return Array.from({ length: batchSize }, (_, i) => {
    const position = step * batchSize + i;
    const epoch = Math.floor(position / count);
    let order = orders.get(epoch);
    if (order === undefined) {
      order = permutation(count, seed, stage, 'rows', epoch);
      if (keys) order = gatherByKey(order, keys);
      if (lengths) order = groupByLength(order, batchSize, epoch, seed, stage, lengths);
      orders.set(epoch, order);
    }
    return order[position % count]!;
  });
}

function gatherByKey(order: Int32Array, keys: readonly unknown[]): Int32Array {
  const groups = new Map<unknown, number[]>();
  for (const row of order) {
    const group = groups.get(keys[row]);
    if (group) group.push(row);
    else groups.set(keys[row], [row]);
  }
  return Int32Array.from([...groups.values()].flat());
}

/** Whole batches only are grouped: the rows that end the batch begun in the epoch before stay in front as they are. */
function groupByLength(
  order: Int32Array,
  batchSize: number,
  epoch: number,
  seed: number,
  stage: string,
  lengths: readonly number[],
): Int32Array {
  const begun = (epoch * order.length) % batchSize;
  const lead = begun === 0 ? 0 : Math.min(order.length, batchSize - begun);
  const grouped = Array.from(order.subarray(0, lead));
  for (let start = lead; start < order.length; start += GROUP * batchSize) {
    const rows = Array.from(order.subarray(start, start + GROUP * batchSize));
    rows.sort((a, b) => lengths[a]! - lengths[b]!); // stable, so still a function of the permutation
    const whole = Math.floor(rows.length / batchSize);
    for (const batch of permutation(whole, seed, stage, 'groups', epoch, start)) {
      grouped.push(...rows.slice(batch * batchSize, (batch + 1) * batchSize));
    }
    grouped.push(...rows.slice(whole * batchSize));
  }
  return Int32Array.from(grouped);
}
