// The sentence at the bottom is what people take home: it must say exactly what the report says.

import { describe, expect, it } from 'vitest';
import type { Report } from '../../shared/protocol';
import { headline, reportRows } from './verdict';

const around = (value: number) => ({ value, low: value - 0.05, high: value + 0.05 });

const report = {
  name: 'kind-endings',
  seed: 1,
  backend: 'wasm',
  device: 'CPU',
  seconds: {},
  evaluation: {
    base: { happy: around(0.3), kl: around(2) },
    sft: { happy: around(0.5) },
    ppo: { happy: around(0.85), kl: around(4) },
    'best-of-4': { happy: around(0.7) },
  },
  comparisons: { 'ppo>sft': { win_rate: around(0.8) } },
} as unknown as Report;

describe('headline', () => {
  it('tells of base, SFT and PPO in the order of training', () => {
    expect(headline(report)?.values.map(({ label, interval }) => [label, interval.value])).toEqual([
      ['base model', 0.3],
      ['after SFT', 0.5],
      ['after PPO', 0.85],
    ]);
  });

  it('says nothing without a report, or without a verdict in it', () => {
    expect(headline(null)).toBeNull();
    expect(headline({ ...report, evaluation: { base: { kl: around(1) } } })).toBeNull();
  });
});

describe('reportRows', () => {
  const rows = reportRows(report);

  it('has a row for each metric and a cell for each checkpoint', () => {
    expect(rows.map(({ label }) => label)).toEqual(['Happy endings', 'KL to the reference', 'Win rate']);
    expect(rows.every(({ cells }) => cells.length === 4)).toBe(true);
  });

  it('writes shares as per cent, other figures as numbers, and leaves out what was not measured', () => {
    expect(rows[0]?.cells[2]).toEqual({ value: '85\u202f%', interval: '80 to 90\u202f%' });
    expect(rows[1]?.cells.map(({ value }) => value)).toEqual(['2.00', '', '4.00', '']);
    expect(rows[2]?.cells.map(({ value }) => value)).toEqual(['', '', '80\u202f%', '']);
  });
});
