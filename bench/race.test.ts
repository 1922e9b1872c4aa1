import { describe, expect, it } from 'vitest';
import { apart } from './race';

describe('apart', () => {
  it('is the largest relative difference', () => {
    expect(apart([1, -4, 2], [1, -4.4, 2.1], 0)).toBeCloseTo(0.1, 12);
    expect(apart([1, 2], [1, 2], 0)).toBe(0);
  });

  it('leaves out as many rows as may be other texts, and no more', () => {
    expect(apart([1, -4, 2], [1, -9, 2.1], 1)).toBeCloseTo(0.05, 12);
    expect(apart([1, -4, 2], [3, -9, 2.1], 1)).toBeCloseTo(1.25, 12);
  });

  it('tells a list of another length from none', () => {
    expect(apart([1, 2], [1], 0)).toBe(Infinity);
    expect(apart(undefined, [1], 0)).toBeNull();
    expect(apart([1], [], 0)).toBeNull();
  });
});
