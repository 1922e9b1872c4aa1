// Columns must stay aligned whatever arrives, and thinning must never hide a spike.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MetricColumns, pointsToDraw } from './series';

describe('MetricColumns', () => {
  it('fills the gaps of a metric that comes now and then', () => {
    const columns = new MetricColumns();
    columns.append({ stage: 'sft', step: 1, loss: 3 });
    columns.append({ stage: 'sft', step: 2, loss: 2, eval_loss: 2.5 });
    columns.append({ stage: 'sft', step: 3, loss: 1 });
    expect(columns.steps).toEqual([1, 2, 3]);
    expect(columns.column('loss')).toEqual([3, 2, 1]);
    expect(columns.column('eval_loss')).toEqual([null, 2.5, null]);
    expect(columns.column('absent')).toEqual([null, null, null]);
    expect(columns.last('eval_loss')).toBe(2.5);
    expect(columns.first('loss')).toBe(3);
    expect(columns.last('absent')).toBeNull();
  });

  it('goes back when a run resumes from an earlier step', () => {
    const columns = new MetricColumns();
    for (const step of [1, 2, 3, 4]) columns.append({ stage: 'ppo', step, loss: step });
    columns.append({ stage: 'ppo', step: 3, loss: 30 });
    expect(columns.steps).toEqual([1, 2, 3]);
    expect(columns.column('loss')).toEqual([1, 2, 30]);
  });

  it('keeps text and values that are not finite out of the charts', () => {
    const columns = new MetricColumns();
    columns.append({ stage: 'sft', step: 1, loss: Number.NaN, note: 'text' });
    expect(columns.column('loss')).toEqual([null]);
    expect(columns.keys).toEqual(['loss']);
  });
});

describe('pointsToDraw', () => {
  it('leaves a short series alone', () => {
    expect(pointsToDraw([[1, 2, 3]], 3)).toBeNull();
    expect(pointsToDraw([], 3)).toBeNull();
  });

  it('keeps order, ends, extremes, and the limit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })), {
          minLength: 50,
          maxLength: 400,
        }),
        (values) => {
          const kept = pointsToDraw([values], 40) ?? [];
          expect(kept.length).toBeLessThanOrEqual(42);
          expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
          expect(kept[0]).toBe(0);
          expect(kept.at(-1)).toBe(values.length - 1);
          const there = values.filter((value) => value !== null);
          if (there.length === 0) return;
          const drawn = kept.map((i) => values[i]).filter((value) => value !== null);
          expect(drawn).toContain(Math.max(...there));
          expect(drawn).toContain(Math.min(...there));
        },
      ),
    );
  });
});
