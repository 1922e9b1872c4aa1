// The sentence at the bottom is what people take home: it must say exactly what the report says.

import { describe, expect, it } from 'vitest';
import type { Report } from '../../shared/protocol';
import type { Experiment } from '../../shared/experiment';
import { shownReport } from './judged';
import { headline, reportRows, showHeadline } from './verdict';

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

describe('of other data than the judge was made for', () => {
  const judged = { data: { eval_prompts: 'builtin:kind-endings/eval' } } as Experiment;
  const own = { data: { eval_prompts: 'own:recipes' } } as Experiment;
  const evaluation = Object.fromEntries(
    Object.entries(report.evaluation).map(([checkpoint, metrics], i) => [
      checkpoint,
      { ...metrics, reward: around(i), finish_rate: around(0.9) },
    ]),
  );
  const told = { ...report, evaluation };

  it('says nothing of happy endings, but what was trained for, by its own name', () => {
    expect(headline(shownReport(judged, told))).toMatchObject({ metric: 'happy', label: 'Happy endings' });
    const shown = headline(shownReport(own, told))!;
    expect(shown).toMatchObject({ metric: 'reward', label: 'Reward', share: false });
    expect(shown.values.map(({ interval }) => showHeadline(shown, interval.value))).toEqual([
      '0.00',
      '1.00',
      '2.00',
    ]);
    const rows = reportRows(shownReport(own, told)!);
    expect(rows.map(({ label }) => label)).not.toContain('Happy endings');
    expect(rows.map(({ label }) => label)).not.toContain('Win rate');
  });

  it('counts a person’s copy of the stories as stories', () => {
    const copy = { data: { eval_prompts: 'own:kind-endings/eval copy' } } as Experiment;
    expect(headline(shownReport(copy, told))?.metric).toBe('happy');
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
