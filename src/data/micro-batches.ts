// Token sequences as the model takes them: padded on the right, in micro-batches of similar length and bounded size.
// The order is by length, then index, so that the same rows always meet the same neighbours and padding, whatever
// order they came in: a log-probability computed twice is then the same number.

import type { CompletionBatch } from '../model/types';

/** A prompt and what follows it: the completion begins at `promptLength`, which is at least 1. */
export interface Sequence {
  ids: readonly number[];
  promptLength: number;
}

/** Some rows of a list (`rows` are their places in it), padded to one length. */
export interface MicroBatch {
  rows: number[];
  batch: CompletionBatch;
}

/** Most padded tokens of one micro-batch: bounds memory, and changes nothing else. */
const MICRO_BATCH_TOKENS = 2048;

/** Padded lengths are rounded up to this, so that the device sees few shapes. */
const BUCKET = 16;

/** Cuts the rows (default: all) of a list into micro-batches; no padded length exceeds `context` unless a row does.
 *
export function microBatches(
  sequences: readonly Sequence[],
  context: number,
  rows: Iterable<number> = sequences.keys(),
): MicroBatch[] {
  const lengthOf = (row: number): number => sequences[row]!.ids.length;
  const order = Array.from(rows).sort((a, b) => lengthOf(b) - lengthOf(a) || a - b);
  const batches: MicroBatch[] = [];
  for (let at = 0; at < order.length; ) {
    const length = padTo(lengthOf(order[at]!), context);
    const taken = order.slice(at, at + Math.max(1, Math.floor(MICRO_BATCH_TOKENS / length)));
    const some = taken.map((row) => sequences[row]!);
    batches.push({ rows: taken, batch: collate(some, length) });
    at += taken.length;
  }
  return batches;
}

function padTo(length: number, context: number): number {
  return Math.max(length, Math.min(Math.ceil(length / BUCKET) * BUCKET, context));
}

function collate(sequences: readonly Sequence[], length: number): CompletionBatch {
  const size = sequences.length * length;
  const batch = { ids: new Int32Array(size), mask: new Int32Array(size), completion: new Int32Array(size) };
  sequences.forEach(({ ids, promptLength }, b) => {
    const start = b * length;
    batch.ids.set(ids, start);
    batch.mask.fill(1, start, start + ids.length);
    batch.completion.fill(1, start + promptLength, start + ids.length);
  });
  return { ...batch, batch: sequences.length, length };
}
