// The figures of an evaluation on samples written by hand, with a judge that counts exclamation marks.
import { expect, it, vi } from 'vitest';
import type { Report } from '../shared/protocol';
import type { EvaluatedSample } from './evaluate';
import { measureAll, shareOf } from './measures';
import { reportMarkdown } from './report';

vi.mock('./judge', () => ({
  judge: (completion: string) => {
    const marks = completion.replace(/[^!]/g, '').length;
    return { happy: marks > 0, score: marks };
  },
}));

const sample = (checkpoint: string, completion: string, reward: number, kl = 0): EvaluatedSample => ({
  checkpoint,
  prompt: 'p',
  completion,
  token_ids: [1, 2, 0],
  seed: 0,
  finished: true,
  kl,
  reward,
});

const unrewarded = ({ checkpoint, completion, kl }: EvaluatedSample): EvaluatedSample => {
  const row = sample(checkpoint, completion, 0, kl);
  delete row.reward;
  return row;
};

/** Two prompts, two samples each; the second sample of sft scores higher on both. */
const samples = [
  ...['a b', 'c d', 'e f', 'g h'].map((text) => sample('base', text, 0, 2)),
  ...['i j', 'k l !', 'm n', 'o p !'].map((text, i) => sample('sft', text, i % 2)),
  ...['q r !!', 's t !!', 'u v !', 'w x'].map((text) => sample('ppo', text, 2, 3)),
  ...['no', 'no !'].map((text) => sample('sft-opponent', text, 0)),
];

it('measures each checkpoint, best-of-n by the reward, and wins against the reference', () => {
  const { evaluation, comparisons } = measureAll(samples, 2, 'sft', 1);
  expect(Object.keys(evaluation)).toEqual(['base', 'sft', 'ppo', 'best-of-2']);
  const values = (metric: string) => Object.values(evaluation).map((figures) => figures[metric]?.value);
  expect(values('happy')).toEqual([0, 0.5, 0.75, 1]);
  expect(values('kl')).toEqual([2, 0, 3, undefined]);
  expect(values('mean_length')).toEqual([2, 2, 2, 2]);
  expect(values('reward')).toEqual([0, 0.5, 2, 1]);
  expect(values('distinct_2')).toEqual([1, 1, 1, 1]);
  // First prompt: both of ppo's beat both of sft's. Second: "!" beats one and ties one, none loses one and ties one.
  expect(comparisons['ppo>sft']!.win_rate.value).toBeCloseTo((1 + (1 + 0.5 + 0.5 + 0) / 4) / 2, 10);
  expect(comparisons['ppo>sft']!.differences!['happy']!.value).toBeCloseTo(0.25, 10);
  expect(comparisons['base>sft']!.win_rate.value).toBeCloseTo(0.25, 10);
  // The best of two meets a third sample, not itself: a win on the first prompt, a tie on the second.
  expect(comparisons['best-of-2>sft']!.win_rate.value).toBeCloseTo(0.75, 10);
});

it('has no best-of-n without rewards', () => {
  const { evaluation } = measureAll(
    samples.filter(({ checkpoint }) => checkpoint !== 'sft-opponent').map(unrewarded),
    2,
    'sft',
    1,
  );
  expect(Object.keys(evaluation)).toEqual(['base', 'sft', 'ppo']);
});

it('shares right answers over groups', () => {
  const { value, low, high } = shareOf([[true, true], [false], [true]], 1);
  expect(value).toBe(0.75);
  expect(low).toBeLessThan(0.75);
  expect(high).toBe(1);
});

it('writes the report for people', () => {
  const { evaluation, comparisons } = measureAll(samples, 2, 'sft', 1);
  const accuracy = { value: 0.8, low: 0.75, high: 0.85 };
  const report: Report = {
    name: 'test',
    seed: 3,
    backend: 'wasm',
    device: 'CPU',
    seconds: { sft: 61.4, ppo: 120 },
    evaluation,
    comparisons,
    findings: { reward: { accuracy } },
  };
  const text = reportMarkdown(report);
  expect(text).toContain('Seed 3 on wasm (CPU), 181 s in all: sft 61 s, ppo 120 s.');
  expect(text).toContain('|  | base | sft | ppo | best-of-2 |');
  expect(text).toMatch(/\| happy \| 0\.0 % \| 50\.0 % \| 75\.0 % \([\d.]+ % … 100\.0 %\) \| 100\.0 % \|/);
  // log 2 − ½: what the best of two is measured to lie from the reference nobody knows.
  expect(text).toMatch(/\| kl \| 2\.00 \| 0\.00 \| .* \| ≤ 0\.19 \(bound\) \|/);
  expect(text).toContain('| accuracy | 80.0 % (75.0 % … 85.0 %) |');
  // Unless a comparison found it.
  const kl = { value: 0.123, low: 0.1, high: 0.15 };
  const found = reportMarkdown({ ...report, findings: { evaluate: { best_of_2_kl: kl } } });
  expect(found).toMatch(/\| kl \| 2\.00 \| 0\.00 \| .* \| 0\.12 \(0\.10 … 0\.15\) \|/);
  expect(found).toContain('Findings of evaluate:\n\nThe KL of the best of n completions');
});
