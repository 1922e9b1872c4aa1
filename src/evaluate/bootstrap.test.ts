// The interval of a mean against theory, its coverage, and pairing.
import { expect, it } from 'vitest';
import { normals } from '../engine/random';
import { bootstrap, bootstrapMean, recentredBootstrap } from './bootstrap';

it('gives a mean an interval of ±1.96 standard errors', () => {
  const values = normals(400, 7, 'values');
  const { value, low, high } = bootstrapMean(values, 1);
  const error = 1.96 / Math.sqrt(400);
  expect(value).toBeCloseTo(values.reduce((a, b) => a + b) / 400, 10);
  expect((high - low) / 2 / error).toBeGreaterThan(0.9);
  expect((high - low) / 2 / error).toBeLessThan(1.1);
});

it('holds the truth about 95 times in 100', () => {
  let held = 0;
  for (let trial = 0; trial < 100; trial++) {
    const { low, high } = bootstrapMean(normals(60, trial, 'trial'), trial);
    if (low <= 0 && high >= 0) held++;
  }
  expect(held).toBeGreaterThanOrEqual(88);
  expect(held).toBeLessThanOrEqual(99);
});

it('draws the same prompts for every statistic of one seed, so that differences are paired', () => {
  const a = normals(100, 1, 'a');
  const b = a.map((x) => x + 0.25);
  const difference = bootstrapMean(
    a.map((x, i) => b[i]! - x),
    3,
  );
  expect(difference.low).toBeCloseTo(0.25, 5);
  expect(difference.high).toBeCloseTo(0.25, 5);
  const draws: string[] = [];
  for (let i = 0; i < 2; i++) {
    let hash = '';
    bootstrap(5, 9, (draw) => ((hash += draw.join()), 0));
    draws.push(hash);
  }
  expect(draws[0]).toBe(draws[1]);
});

it('takes the bias of repeated texts out of a share of different ones', () => {
  const different = (draw: Int32Array) => new Set(draw).size / draw.length;
  expect(bootstrap(200, 1, different).high).toBeLessThan(0.75);
  const { value, low, high } = recentredBootstrap(200, 1, different);
  expect(value).toBe(1);
  expect(low).toBeLessThan(1);
  expect(high).toBeGreaterThan(1);
});
