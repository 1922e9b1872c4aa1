import { describe, expect, test } from 'vitest';
import type { Interval, Report } from '../../shared/protocol';
import { MetricColumns } from '../lib/series';
import { aboutBestOfN, extent, frontierOf, ticks } from './frontier';

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

  test('best of n stands at its exact KL where a comparison found it, and the words say which it is', () => {
    const found = { ...report, findings: { evaluate: { best_of_4_kl: exactly(0.31) } } };
    const spots = (...reports: Report[]) =>
      frontierOf(
        reports.map((each) => ({ ...run, report: each })),
        'kl',
        'happy',
      ).spots;
    const stands = (of: ReturnType<typeof spots>) =>
      of.filter(({ checkpoint }) => checkpoint === 'best-of-4').map(({ x, bounded }) => [x, bounded]);
    expect(stands(spots(found, report))).toEqual([
      [0.31, undefined],
      [Math.log(4) - 0.75, true],
    ]);
    expect(aboutBestOfN(spots(found))).toContain('at its exact KL, which');
    expect(aboutBestOfN(spots(report))).toContain('at the most that its KL can be');
    expect(aboutBestOfN(spots(found, report))).toContain('at its exact KL where');
    expect(aboutBestOfN(frontierOf([run], 'reward', 'happy').spots.slice(0, 1))).toBe('');
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

test('the axis spans what was trained; a bare model far off does not stretch it', () => {
  const spot = (checkpoint: string, x: number) => ({ checkpoint, x });
  const trained = [spot('sft', 0), spot('ppo', 3)];
  expect(extent([spot('base', 25), ...trained], [3.5])).toEqual({ low: 0, high: 3.5 });
  expect(extent([spot('base', 5), ...trained], [-0.1])).toEqual({ low: -0.1, high: 5 });
  expect(extent([spot('base', 25)], [])).toEqual({ low: 0, high: 25 });
});

test('ticks are round and inside', () => {
  expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks(-0.3, 4.2, 5)).toEqual([0, 1, 2, 3, 4]);
});
