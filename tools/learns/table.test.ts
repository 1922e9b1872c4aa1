import { expect, test } from 'vitest';
import type { Stage } from '../../src/shared/experiment.ts';
import { defaultStage } from '../../src/shared/validate.ts';
import { joined, markdown, overSeeds, type Learned } from './table.ts';
import { figures, target } from './token.ts';

test('mean and Student’s interval over seeds', () => {
  const { mean, margin } = overSeeds([1, 2, 3, 4, 5]);
  expect(mean).toBe(3);
  expect(margin).toBeCloseTo((2.776 * Math.sqrt(2.5)) / Math.sqrt(5), 10);
});

const learnedBy = (rows: Learned['rows'], seeds: number[], date = '2026-01-01'): Learned => ({
  task: 'one token',
  about: ['About.'],
  date,
  backend: 'wasm',
  device: 'CPU',
  seeds,
  columns: [{ name: 'reached', label: 'P', share: true }],
  rows,
});

test('the table shows target, mean and interval, and the settings', () => {
  const learned = learnedBy(
    [
      { kind: 'ppo', settings: { kl_coef: 0.5 }, known: 0.5, found: { reached: [0.4, 0.4] } },
      { kind: 'kto', settings: {}, known: null, found: { reached: [0.9, 0.8] } },
    ],
    [1, 2],
  );
  const text = markdown(learned, (kind) => kind.toUpperCase());
  expect(text).toContain('| PPO | 50.0 % | 40.0 % ± 0.0 % |');
  expect(text).toContain('| KTO | — | 85.0 % ±');
  expect(text).toContain('seeds 1, 2');
  expect(text).toContain('`ppo` {"kl_coef":0.5}');
});

test('a table is added to one of the same methods and settings, and to no other', () => {
  const rows = (reached: number[], kl_coef = 0.5): Learned['rows'] => [
    { kind: 'ppo', settings: { kl_coef }, known: 0.5, found: { reached } },
  ];
  const first = learnedBy(rows([0.4, 0.5]), [1, 2]);
  const whole = joined(first, learnedBy(rows([0.6]), [3], '2026-01-02'));
  expect(whole.seeds).toEqual([1, 2, 3]);
  expect(whole.rows[0]!.found).toEqual({ reached: [0.4, 0.5, 0.6] });
  expect(whole.date).toBe('2026-01-01 and 2026-01-02');
  expect(whole.device).toBe('CPU');
  expect(() => joined(first, learnedBy(rows([0.6], 0.3), [3]))).toThrow(/other methods or settings/);
});

test('a method’s best probability of the token is what maximises its objective', () => {
  // β = 0.5: E[r] − β·KL(π ‖ ref), and with the KL the other way round E[r] − β·G/(G − 1)·KL(ref ‖ π).
  const p = 0.125;
  const best = (objective: (q: number) => number): number => {
    const grid = Array.from({ length: 99_999 }, (_, i) => (i + 1) / 100_000);
    return grid.reduce((a, b) => (objective(b) > objective(a) ? b : a));
  };
  const kl = (a: number, b: number) => a * Math.log(a / b) + (1 - a) * Math.log((1 - a) / (1 - b));
  for (const kind of ['ppo', 'rloo', 'reinforce', 'dpo'] as const)
    expect(target(Object.assign(defaultStage(kind) as Stage, { kl_coef: 0.5, beta: 0.5 }), p)).toBeCloseTo(
      best((q) => q - 0.5 * kl(q, p)),
      4,
    );
  const grpo = { ...defaultStage('grpo'), beta: 0.5 };
  expect(target(grpo, p)).toBeCloseTo(
    best((q) => q - 0.5 * (8 / 7) * kl(p, q)),
    4,
  );
  expect(target(defaultStage('rft'), p)).toBeCloseTo(1 - 0.875 ** 4, 10);
  expect(target(defaultStage('kto'), p)).toBeNull();
});

test('the figures of the tilted policy are those of the optimum, those of the bare model nothing', () => {
  const reference = [0.125, 0.5, 0.375].map(Math.log);
  const weights = reference.map((logp, id) => Math.exp(logp + (id === 0 ? 2 : 0)));
  const total = weights.reduce((a, b) => a + b);
  const best = figures(
    weights.map((weight) => Math.log(weight / total)),
    reference,
    0,
  );
  expect(best['gained']).toBeCloseTo(1, 10);
  expect(best['preferred']).toBe(1);
  const none = figures(reference, reference, 0);
  expect(none['reached']).toBeCloseTo(0.125, 10);
  expect([none['kl'], none['preferred']]).toEqual([0, 0]);
  expect(none['gained']).toBeCloseTo(0, 10);
});
