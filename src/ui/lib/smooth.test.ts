import { expect, test } from 'vitest';
import { smooth } from './smooth';

test('weight 0 changes nothing, and neither does a constant curve', () => {
  expect(smooth([1, null, 3], 0)).toEqual([1, null, 3]);
  expect(smooth([0.3, null, 0.3], 0.9)).toEqual([0.3, null, 0.3]);
});

test('the average is not pulled towards zero at the beginning', () => {
  const [first, second] = smooth([10, 20], 0.5);
  expect(first).toBeCloseTo(10, 12);
  // (0.25·10 + 0.5·20) / 0.75
  expect(second).toBeCloseTo(50 / 3, 12);
});

test('gaps stay gaps and are not counted', () => {
  const gapped = smooth([10, null, 20], 0.5);
  expect(gapped[1]).toBeNull();
  expect(gapped[2]).toBeCloseTo(50 / 3, 12);
});
