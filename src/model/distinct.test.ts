// Which tokens of a batch are computed: each beginning once, padding never, and nothing where little would be saved.
import { expect, it } from 'vitest';
import { allTokens, distinctRows, distinctTokens } from './distinct';
import type { TokenBatch } from './types';

/** Rows padded on the right; `shift` puts a row's tokens further on. */
function batchOf(rows: number[][], length: number, shift: readonly number[] = []): TokenBatch {
  const [ids, mask] = [0, 1].map(() => new Int32Array(rows.length * length)) as [Int32Array, Int32Array];
  rows.forEach((row, b) => {
    ids.set(row, b * length + (shift[b] ?? 0));
    mask.fill(1, b * length + (shift[b] ?? 0), b * length + (shift[b] ?? 0) + row.length);
  });
  return { ids, mask, batch: rows.length, length };
}

it('computes what texts begin alike with once, wherever they lie in their rows', () => {
  const rows = [
    [5, 6, 7, 8],
    [5, 6, 9],
    [6, 5],
    [5, 6, 7],
  ];
  const { ids, depth, first, end, of } = distinctTokens(batchOf(rows, 16, [0, 3, 0, 1]));
  const N = 7;
  expect(ids.length).toBe(32); // rounded up
  expect(Array.from(ids.subarray(0, N))).toEqual([5, 6, 7, 8, 9, 6, 5]);
  expect(Array.from(depth.subarray(0, N))).toEqual([0, 1, 2, 3, 2, 0, 1]);
  expect(Array.from(end.subarray(0, N + 1))).toEqual([5, 5, 4, 4, 5, 7, 7, 7]);
  expect(Array.from(first.subarray(0, N))).toEqual([0, 1, 2, 3, 21, 32, 33]);
  expect(first.subarray(N).every((place) => place === -1)).toBe(true);
  expect(Array.from(of.subarray(16 + 3, 16 + 6))).toEqual([0, 1, 4]);
  expect(Array.from(of.subarray(48, 53))).toEqual([-1, 0, 1, 2, -1]);
});

it('puts what goes on from a token right behind it, whatever the order of the rows', () => {
  const rows = [
    [5, 6, 7],
    [1, 2],
    [5, 6, 8, 9],
    [5, 3],
  ];
  const { ids, first, end } = distinctTokens(batchOf(rows, 8));
  expect(Array.from(ids.subarray(0, 8))).toEqual([5, 6, 7, 8, 9, 3, 1, 2]);
  expect(Array.from(first.subarray(0, 8))).toEqual([0, 1, 2, 18, 19, 25, 8, 9]);
  expect(Array.from(end.subarray(0, 8))).toEqual([6, 5, 3, 5, 5, 6, 8, 8]);
});

it('keeps the documents of a row apart', () => {
  const batch = batchOf([[5, 6, 5, 6, 7], ...Array.from({ length: 5 }, () => [1])], 16);
  batch.mask.set([1, 1, 2, 2, 2]);
  expect(Array.from(distinctTokens(batch).of.subarray(0, 6))).toEqual([0, 1, 0, 1, 2, -1]);
});

it('has every token by itself where nothing is shared, padding too', () => {
  const batch = batchOf(
    [
      [5, 6, 7],
      [5, 6, 8],
    ],
    4,
    [0, 1],
  );
  batch.mask.set([1, 1, 2], 0);
  const { ids, depth, first, end, of } = allTokens(batch);
  expect(Array.from(ids)).toEqual([5, 6, 7, 0, 0, 5, 6, 8]);
  expect(Array.from(depth)).toEqual([0, 1, 0, 0, 0, 0, 1, 2]);
  expect(Array.from(first)).toEqual([0, 1, 2, -1, -1, 5, 6, 7]);
  expect(Array.from(of)).toEqual(Array.from(first));
  expect(Array.from(end)).toEqual([2, 2, 3, 3, 4, 8, 8, 8]);
});

it('reads a shared row once', () => {
  const distinct = distinctTokens(
    batchOf(
      [
        [5, 6, 7],
        [5, 6, 8],
      ],
      32,
    ),
  );
  const { read, from } = distinctRows(Int32Array.of(1, 33, -1, 34, 20), distinct);
  expect(Array.from(read.subarray(0, 3))).toEqual([1, 3, -1]);
  expect(Array.from(from)).toEqual([0, 0, -1, 1, -1]);
});
