import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { healthOf } from '../../tests/health';
import type { Notice } from './health';
import type { MetricsRow } from './protocol';

/** A run as it should look: the score rises, KL with it, entropy falls a little. */
const healthy = (updates: number): MetricsRow[] =>
  Array.from({ length: updates }, (_, i) => ({
    stage: 'ppo',
    step: i + 1,
    'objective/kl': i === 0 ? 0 : 0.2 * i + 0.05 * (i % 2),
    'objective/scores': -0.5 + 0.05 * i,
    'objective/scores_std': 0.9,
    'policy/approxkl_avg': 0.01,
    'policy/entropy_avg': 2 - 0.02 * i,
    'val/ratio': 1.01,
    finish_rate: 0.9 + 0.03 * (i % 3),
    lr: 1e-3,
  }));

const ppo = (metric: string, values: readonly number[], others: Record<string, number> = {}): Notice[] =>
  healthOf(values.map((value, i) => ({ stage: 'ppo', step: i + 1, [metric]: value, ...others })));
const metrics = (notices: Notice[]): string[] => notices.map(({ level, metric }) => `${level} ${metric}`);

describe('a healthy run', () => {
  test('is left in peace at every step', () => {
    for (let updates = 0; updates <= 30; updates++) expect(healthOf(healthy(updates))).toEqual([]);
  });

  test('is not blamed for what an earlier stage did', () => {
    const earlier: MetricsRow[] = [1, 2, 3, 4].map((step) => ({
      stage: 'sft',
      step,
      loss: NaN,
      eval_loss: step,
    }));
    expect(healthOf([...earlier, ...healthy(5)])).toEqual([]);
  });
});

describe('what goes wrong is named', () => {
  test('numbers that are none, alone', () => {
    const row: MetricsRow = { stage: 'ppo', step: 7, 'loss/value_avg': NaN, 'objective/kl': 99 };
    const notices = healthOf([...healthy(6), row]);
    expect(metrics(notices)).toEqual(['error loss/value_avg']);
    expect(notices[0]?.message).toContain('loss/value_avg is NaN at update 7');
    expect(metrics(healthOf([{ stage: 'sft', step: 1, loss: Infinity }]))).toEqual(['error loss']);
    expect(metrics(healthOf([{ stage: 'sft', step: 1, loss: 'NaN' }]))).toEqual(['error loss']);
  });

  test('a policy that never moves, and not one that waits for its warm-up', () => {
    const still = { 'objective/kl': 0, lr: 1e-3 };
    expect(ppo('policy/approxkl_avg', [0], still)).toEqual([]);
    expect(metrics(ppo('policy/approxkl_avg', [0, 0], still))).toEqual(['error policy/approxkl_avg']);
    expect(ppo('policy/approxkl_avg', [0, 0], { ...still, lr: 0 })).toEqual([]);
    expect(ppo('policy/approxkl_avg', [0, 1e-9], still)).toEqual([]);
  });

  test('one epoch of one minibatch, as information', () => {
    const notices = ppo('policy/approxkl_avg', [0, 0], { 'objective/kl': 0.4, lr: 1e-3 });
    expect(metrics(notices)).toEqual(['info policy/approxkl_avg']);
  });

  test('negative KL: clear or lasting, not the scatter of an estimate', () => {
    expect(ppo('objective/kl', [0, 0.1, -0.2])).toEqual([]);
    expect(metrics(ppo('objective/kl', [0, 0.1, -0.6]))).toEqual(['warning objective/kl']);
    expect(metrics(ppo('objective/kl', [0, -0.1, -0.1, -0.2]))).toEqual(['warning objective/kl']);
    expect(ppo('objective/kl', [-0.6, 0.3])).toEqual([]);
  });

  test('KL beyond 10', () => {
    expect(ppo('objective/kl', [9, 10])).toEqual([]);
    const [notice] = ppo('objective/kl', [9, 10.1]);
    expect(notice).toMatchObject({ level: 'warning', metric: 'objective/kl' });
    expect(notice?.try).toContain('kl_coef');
  });

  test.each([
    [1.2, []],
    [0.85, []],
    [2, ['warning val/ratio']],
    [0.1, ['warning val/ratio']],
  ])('a ratio of %f', (ratio, expected) => {
    expect(metrics(ppo('val/ratio', [1, ratio]))).toEqual(expected);
  });

  test('collapsed entropy', () => {
    expect(ppo('policy/entropy_avg', [2, 2, 1.5, 1, 0.8])).toEqual([]);
    expect(metrics(ppo('policy/entropy_avg', [2, 2, 1, 0.4, 0.3]))).toEqual(['warning policy/entropy_avg']);
    expect(metrics(ppo('policy/entropy_avg', [0.1, 0.1, 0.04, 0.04]))).toEqual([
      'warning policy/entropy_avg',
    ]);
    const sft = [2, 1.5, 0.1, 0.1].map((entropy, i) => ({ stage: 'sft', step: i + 1, entropy }));
    expect(metrics(healthOf(sft))).toEqual(['warning entropy']);
  });

  test('a reward without differences, and one that does not move', () => {
    const scores = (list: number[], spread: number): Notice[] =>
      ppo('objective/scores', list, { 'objective/scores_std': spread });
    expect(metrics(scores([1, 1], 0))).toEqual(['warning objective/scores_std']);
    const flat = Array.from({ length: 12 }, (_, i) => 0.02 * (i % 3));
    expect(metrics(scores(flat, 1))).toEqual(['info objective/scores']);
    expect(scores(flat.slice(1), 1)).toEqual([]);
    expect(
      scores(
        flat.map((score, i) => score + 0.05 * i),
        1,
      ),
    ).toEqual([]);
  });

  test('a falling finish rate', () => {
    expect(ppo('finish_rate', [0.9, 0.95, 0.9, 0.85, 0.9, 0.85])).toEqual([]);
    const [notice] = ppo('finish_rate', [0.9, 0.9, 0.9, 0.8, 0.7, 0.6]);
    expect(notice).toMatchObject({ level: 'warning', metric: 'finish_rate' });
    expect(notice?.message).toContain('from 90 % to 70 %');
  });

  test('a held-out loss that rises, a reward model that guesses', () => {
    const rows = (values: Record<string, number>[], stage: string): MetricsRow[] =>
      values.map((row, i) => ({ stage, step: 25 * (i + 1), ...row }));
    const losses = (list: number[]): Notice[] =>
      healthOf(
        rows(
          list.map((eval_loss) => ({ eval_loss })),
          'sft-2',
        ),
      );
    expect(losses([2, 1.5, 1.55])).toEqual([]);
    expect(metrics(losses([2, 1.5, 1.6]))).toEqual(['warning eval_loss']);
    const accuracies = (list: number[]): Notice[] =>
      healthOf(
        rows(
          list.map((eval_accuracy) => ({ eval_accuracy })),
          'reward',
        ),
      );
    expect(accuracies([0.5, 0.55])).toEqual([]);
    expect(accuracies([0.5, 0.55, 0.7])).toEqual([]);
    expect(metrics(accuracies([0.5, 0.5, 0.52]))).toEqual(['warning eval_accuracy']);
  });
});

test('any rows at all are looked at without failing, and every notice is readable', () => {
  const metric = fc.constantFrom(
    ...Object.keys(healthy(1)[0] ?? {}).slice(2),
    'eval_loss',
    'eval_accuracy',
    'entropy',
  );
  const row = fc
    .record({ stage: fc.constantFrom('sft', 'reward', 'ppo'), values: fc.dictionary(metric, fc.double()) })
    .map(({ stage, values }): MetricsRow => ({ stage, step: 1, ...values }));
  fc.assert(
    fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
      for (const { message, try: fix } of healthOf(rows)) {
        expect(message).toMatch(/^\S.*\.$/);
        expect(fix).toMatch(/^[A-Z].*\.$/);
        expect(message).not.toContain('undefined');
      }
    }),
  );
});
