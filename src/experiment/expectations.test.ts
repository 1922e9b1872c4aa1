import { expect, it } from 'vitest';
import type { Interval, Report } from '../shared/protocol';
import { expectations, missedExpectations } from './expectations';

const at = (value: number, half = 0.03): Interval => ({ value, low: value - half, high: value + half });
const figures = (happy: number, finished: number, kl: number, distinct: number) => ({
  happy: at(happy),
  finish_rate: at(finished),
  followed_format: at(finished),
  kl: at(kl),
  distinct_2: at(distinct),
});

/** A report in which every line holds. */
const good = (): Report => ({
  name: 'test',
  seed: 1,
  backend: 'wasm',
  device: 'CPU',
  seconds: {},
  evaluation: {
    base: figures(0.3, 0, 3, 0.8),
    sft: figures(0.5, 0.95, 0, 0.7),
    ppo: figures(0.88, 0.97, 4, 0.6),
    'best-of-4': figures(0.8, 0.95, 0, 0.7),
  },
  comparisons: { 'ppo>sft': { win_rate: at(0.8), differences: { happy: at(0.38) } } },
  findings: { reward: { accuracy: at(0.85), accuracy_ceiling: at(0.9, 0) } },
});

it('holds for a run that shows what was promised', () => {
  expect(missedExpectations(good())).toEqual([]);
  expect(expectations(good()).length).toBe(12);
});

it.each<[string, (report: Report) => void, string]>([
  ['a base that finishes', (r) => (r.evaluation['base'] = figures(0.3, 0.2, 3, 0.8)), 'base: finish rate'],
  ['an SFT that does not', (r) => (r.evaluation['sft'] = figures(0.5, 0.85, 0, 0.7)), 'SFT: finish rate'],
  [
    'a weak reward model',
    (r) => (r.findings!['reward']!['accuracy'] = at(0.69)),
    'held-out accuracy at least 70 %',
  ],
  ['one far below its ceiling', (r) => (r.findings!['reward']!['accuracy'] = at(0.8)), '(accuracy − 50 %)'],
  [
    'a small gain',
    (r) => (r.comparisons['ppo>sft']!.differences!['happy'] = at(0.2)),
    '25 points above SFT: 0.200',
  ],
  [
    'an unsure gain',
    (r) => (r.comparisons['ppo>sft']!.differences!['happy'] = at(0.3, 0.4)),
    'paired interval',
  ],
  ['best-of-4 above', (r) => (r.evaluation['best-of-4'] = figures(0.9, 0.9, 0, 0.7)), '0.880, asked 0.900'],
  ['no movement', (r) => (r.evaluation['ppo'] = figures(0.88, 0.97, 0, 0.6)), 'KL to the reference'],
  ['a flight', (r) => (r.evaluation['ppo'] = figures(0.88, 0.97, 10.5, 0.6)), 'KL to the reference'],
  ['monotony', (r) => (r.evaluation['ppo'] = figures(0.88, 0.97, 4, 0.5)), 'distinct-2'],
  ['rambling', (r) => (r.evaluation['ppo'] = figures(0.88, 0.89, 4, 0.6)), 'finish rate at most 5 points'],
  ['a missing stage', (r) => delete r.evaluation['ppo'], 'not measured'],
])('names the line that %s misses', (_, spoil, line) => {
  const report = good();
  spoil(report);
  expect(missedExpectations(report).join('\n')).toContain(line);
});
