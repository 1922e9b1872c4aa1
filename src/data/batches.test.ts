import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchIndices, bucketLength, collate, type Sequence, stepRows } from './batches';

describe('bucketLength', () => {
  test.each([
    [1, 512, 16],
    [16, 512, 16],
    [17, 512, 32],
    [500, 512, 512],
    [250, 250, 250],
    [249, 250, 250],
  ])('%i of %i becomes %i', (longest, context, expected) => {
    expect(bucketLength(longest, context)).toBe(expected);
  });

  test('refuses what does not fit', () => {
    expect(() => bucketLength(513, 512)).toThrow('513 tokens');
  });
});

const rows = fc.array(fc.array(fc.integer({ min: 0, max: 4095 }), { minLength: 1, maxLength: 50 }), {
  minLength: 1,
  maxLength: 8,
});

describe('collate', () => {
  test('pads on the right: ids, mask and completion as in a row written by hand', () => {
    const batch = collate(
      [
        { ids: [5, 6, 7], promptLength: 2 },
        { ids: [8, 9, 1, 2], promptLength: 1 },
      ],
      6,
    );
    expect(batch).toEqual({
      batch: 2,
      length: 6,
      ids: Int32Array.from([5, 6, 7, 0, 0, 0, 8, 9, 1, 2, 0, 0]),
      mask: Int32Array.from([1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0]),
      completion: Int32Array.from([0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0]),
    });
  });

  test('gives back every row, real tokens only, completion after prompt', () => {
    fc.assert(
      fc.property(rows, fc.nat(), (lists, cut) => {
        const sequences: Sequence[] = lists.map((ids) => ({ ids, promptLength: 1 + (cut % ids.length) }));
        const { ids, mask, completion, batch, length } = collate(sequences, 60);
        expect([batch, length === 60 || length % 16 === 0]).toEqual([lists.length, true]);
        sequences.forEach(({ ids: list, promptLength }, row) => {
          const of = (values: Int32Array): number[] => [...values.subarray(row * length, (row + 1) * length)];
          expect(of(ids)).toEqual([...list, ...Array<number>(length - list.length).fill(0)]);
          expect(of(mask)).toEqual(of(ids).map((_, t) => (t < list.length ? 1 : 0)));
          expect(of(completion)).toEqual(
            of(ids).map((_, t) => (t >= promptLength && t < list.length ? 1 : 0)),
          );
        });
      }),
    );
  });
});

describe('batchIndices', () => {
  const cases = fc.record({
    count: fc.integer({ min: 1, max: 100 }),
    batchSize: fc.integer({ min: 1, max: 40 }),
    seed: fc.nat(),
    epochs: fc.integer({ min: 1, max: 4 }),
    grouped: fc.boolean(),
  });

  test('sees every row exactly once in each epoch, grouped by length or not', () => {
    fc.assert(
      fc.property(cases, ({ count, batchSize, seed, epochs, grouped }) => {
        const lengths = grouped ? Array.from({ length: count }, (_, i) => (i * 7919) % 97) : undefined;
        const steps = Math.ceil((count * epochs) / batchSize);
        const stream = Array.from({ length: steps }, (_, s) =>
          batchIndices(count, batchSize, s, seed, 'sft', { lengths }),
        ).flat();
        for (let e = 0; e < epochs; e++) {
          const epoch = stream.slice(e * count, (e + 1) * count).sort((a, b) => a - b);
          expect(epoch).toEqual(Array.from({ length: count }, (_, i) => i));
        }
      }),
    );
  });

  test('depends on seed, stage and epoch, and on nothing else', () => {
    const step = (s: number, seed = 1, stage = 'sft'): number[] => batchIndices(64, 64, s, seed, stage);
    expect(step(5)).toEqual(step(5));
    expect(step(0)).not.toEqual(step(1));
    expect(step(0)).not.toEqual(step(0, 2));
    expect(step(0)).not.toEqual(step(0, 1, 'sft-2'));
  });

  test('grouping brings rows of similar length together, in epochs that begin within a batch too', () => {
    const lengths = Array.from({ length: 1003 }, (_, i) => (i * 7919) % 512);
    const padding = (grouped: boolean): number => {
      let wasted = 0;
      for (let s = 0; s < 180; s++) {
        const batch = batchIndices(1003, 16, s, 1, 'sft', { lengths: grouped ? lengths : undefined }).map(
          (i) => lengths[i]!,
        );
        wasted += batch.reduce((sum, length) => sum + Math.max(...batch) - length, 0);
      }
      return wasted;
    };
    expect(padding(true)).toBeLessThan(0.25 * padding(false));
  });

  test('rows with one key come one after the other, every row once, and keys of their own change nothing', () => {
    const epoch = (keys: readonly unknown[] | undefined, s = 0): number[] =>
      batchIndices(60, 60, s, 1, 'reward', { keys });
    const keys = Array.from({ length: 60 }, (_, row) => row % 15);
    for (const s of [0, 1]) {
      const order = epoch(keys, s);
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, row) => row));
      const met = order.map((row) => keys[row]!);
      expect(met.filter((key, i) => key !== met[i - 1]).length).toBe(15);
    }
    // Neither do the groups come in the same order again, nor the rows within them.
    expect(epoch(keys, 1)).not.toEqual(epoch(keys));
    expect(epoch(keys.map(() => 'one'))).toEqual(epoch(undefined));
    expect(epoch(Array.from(keys.keys()))).toEqual(epoch(undefined));
  });

  test('grouped batches do not come sorted', () => {
    const lengths = Array.from({ length: 256 }, (_, i) => i);
    const longest = Array.from({ length: 16 }, (_, s) =>
      Math.max(...batchIndices(256, 16, s, 1, 'sft', { lengths })),
    );
    expect(longest).not.toEqual([...longest].sort((a, b) => a - b));
    expect([...longest].sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => 16 * i + 15));
  });
});

describe('a curriculum', () => {
  const seeded = { seed: 3, name: 'sft' };
  const settings = { group_by_length: false, curriculum_steps: 20 };
  const lengths = Array.from({ length: 100 }, (_, row) => 1 + ((row * 37) % 100));
  const longestOf = (step: number): number =>
    Math.max(...stepRows(lengths, 8, step, seeded, settings).map((row) => lengths[row]!));

  test('begins with the shortest tenth, and longer rows come in step by step', () => {
    expect(longestOf(0)).toBeLessThanOrEqual(10);
    for (let step = 0; step < 20; step++)
      expect(longestOf(step)).toBeLessThanOrEqual(Math.ceil(100 * (0.1 + (0.9 * step) / 20)));
    expect(longestOf(18)).toBeGreaterThan(60);
  });

  test('draws no row twice into a batch, and the same batch at any time', () => {
    for (let step = 0; step < 20; step++) {
      const rows = stepRows(lengths, 8, step, seeded, settings);
      expect(new Set(rows).size).toBe(8);
      expect(stepRows(lengths, 8, step, seeded, settings)).toEqual(rows);
    }
    expect(stepRows(lengths, 8, 1, seeded, settings)).not.toEqual(stepRows(lengths, 8, 2, seeded, settings));
  });

  test('gives way to all rows, and to batches that are larger than the data', () => {
    const all = batchIndices(100, 8, 20, 3, 'sft');
    expect(stepRows(lengths, 8, 20, seeded, settings)).toEqual(all);
    expect(stepRows(lengths, 8, 0, seeded, { ...settings, curriculum_steps: 0 })).toEqual(
      batchIndices(100, 8, 0, 3, 'sft'),
    );
    const few = stepRows([5, 1, 3], 7, 0, seeded, settings);
    expect([...new Set(few)].sort()).toEqual([0, 1, 2]);
  });
});
