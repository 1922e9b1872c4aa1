import { expect, test } from 'vitest';
import { microBatches } from './micro-batches';

const sequences = Array.from({ length: 60 }, (_, i) => ({
  ids: Array.from({ length: 2 + ((i * 37) % 200) }, (_, t) => t),
  promptLength: 1,
}));

test('every row comes once, longest first, within the token budget', () => {
  const batches = microBatches(sequences, 512);
  const rows = batches.flatMap(({ rows }) => rows);
  expect([...rows].sort((a, b) => a - b)).toEqual(Array.from(sequences.keys()));
  const lengths = rows.map((row) => sequences[row]!.ids.length);
  expect(lengths).toEqual([...lengths].sort((a, b) => b - a));
  for (const { batch } of batches) expect(batch.batch * batch.length).toBeLessThanOrEqual(2048);
  expect(batches.length).toBeLessThan(8);
});

test('does not depend on the order of the rows asked for', () => {
  const rows = [3, 40, 12, 7, 59];
  expect(microBatches(sequences, 512, rows)).toEqual(microBatches(sequences, 512, rows.toReversed()));
});

test('a row above the budget goes alone', () => {
  const long = { ids: Array<number>(3000).fill(1), promptLength: 1 };
  expect(microBatches([long, long], 4096).map(({ rows }) => rows)).toEqual([[0], [1]]);
});

test('completions of one prompt stand side by side', () => {
  const of = (prompt: number, length: number) => ({
    ids: [prompt, ...Array<number>(length - 1).fill(9)],
    promptLength: 1,
  });
  const mixed = [of(1, 500), of(2, 480), of(1, 20), of(2, 400), of(3, 450), of(1, 300)];
  const batches = microBatches(mixed, 512);
  expect(batches.map(({ rows }) => rows)).toEqual([
    [0, 5, 2, 1],
    [3, 4],
  ]);
  for (const { batch } of batches) expect(batch.batch * batch.length).toBeLessThanOrEqual(2048);
});
