import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Interval, Report } from '../../shared/protocol';
import { MetricColumns } from '../lib/series';
import { bestOfNKl, frontierOf, shareBound, shareCost, ticks } from './frontier';

const exactly = (value: number): Interval => ({ value, low: value, high: value });

const report: Report = {
  name: 'r',
  seed: 1,
  backend: 'wasm',
  device: 'CPU',
  seconds: {},
  comparisons: {},
  evaluation: {
    sft: { kl: exactly(0), happy: exactly(0.5), reward: exactly(0) },
    ppo: { kl: exactly(3), happy: exactly(0.9) },
    'best-of-4': { kl: exactly(0), happy: exactly(0.8), reward: exactly(1) },
  },
};

const columns = new MetricColumns();
columns.append({ stage: 'ppo', step: 1, 'objective/kl': 0, 'objective/scores': 0.1 });
columns.append({ stage: 'ppo', step: 2, 'objective/kl': 2, 'objective/scores': 0.9 });

const run = {
  label: 'seed 2',
  report,
  columns: new Map([
    ['ppo', columns],
    ['reward', columns],
  ]),
};

describe('frontierOf', () => {
  test('a spot for every checkpoint that has both figures; best of n stands where choosing has moved it', () => {
    const { spots } = frontierOf([run], 'kl', 'happy');
    expect(spots.map(({ checkpoint, x, y }) => [checkpoint, x, y.value])).toEqual([
      ['sft', 0, 0.5],
      ['ppo', 3, 0.9],
      ['best-of-4', Math.log(4) - 0.75, 0.8],
    ]);
    const named = frontierOf([run], 'reward', 'happy').spots.map(({ checkpoint }) => checkpoint);
    expect(named).toEqual(['sft', 'best-of-4']);
  });

  test('a path for every training of a policy, only where KL and score are the axes', () => {
    const points = [
      { x: 0, y: 0.1 },
      { x: 2, y: 0.9 },
    ];
    expect(frontierOf([run, run], 'kl', 'reward').paths).toEqual([
      { run: 0, points },
      { run: 1, points },
    ]);
    expect(frontierOf([run], 'kl', 'happy').paths).toEqual([]);
  });
});

describe('the bound', () => {
  test('begins at the reference and ends where everything is as it should: at −log p', () => {
    const bound = shareBound(0.25);
    expect(bound[0]).toEqual({ x: 0, y: 0.25 });
    expect(bound[bound.length - 1]?.x).toBeCloseTo(Math.log(4), 12);
    expect(shareBound(0)).toEqual([]);
  });

  test('no distribution over completions passes it, and the tilted one lies on it', () => {
    const weights = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 });
    const normal = (some: number[]): number[] => {
      const total = some.reduce((sum, each) => sum + each, 0);
      return some.map((each) => each / total);
    };
    const share = (of: number[]): number => (of[0] ?? 0) + (of[1] ?? 0);
    const kl = (of: number[], from: number[]): number =>
      of.reduce((sum, each, i) => sum + each * Math.log(each / (from[i] ?? 1)), 0);
    fc.assert(
      fc.property(weights, weights, (one, other) => {
        const [ref, policy] = [normal(one), normal(other)];
        expect(kl(policy, ref)).toBeGreaterThanOrEqual(shareCost(share(policy), share(ref)) - 1e-9);
        const tilted = normal(ref.map((each, i) => (i < 2 ? 3 * each : each)));
        expect(kl(tilted, ref)).toBeCloseTo(shareCost(share(tilted), share(ref)), 9);
      }),
    );
  });

  test('the best of n costs at most what is known of it', () => {
    for (const n of [2, 4, 16]) expect(shareCost(1 - 0.7 ** n, 0.3)).toBeLessThanOrEqual(bestOfNKl(n));
    expect(bestOfNKl(1)).toBe(0);
  });
});

test('ticks are round and inside', () => {
  expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks(-0.3, 4.2, 5)).toEqual([0, 1, 2, 3, 4]);
});
