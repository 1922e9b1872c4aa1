// Golden scalars of the method reference (computed with PyTorch and numpy), to 1e-6.
import { expect, it } from 'vitest';
import { adaptKlCoef, gae, whiten } from './advantage';

const close = (actual: ArrayLike<number>, expected: number[]) => {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => expect(actual[i]!).toBeCloseTo(value, 6));
};

it('computes advantages and returns as GAE defines them', () => {
  const { advantages, returns } = gae([0.1, -0.2, 0, 1], [0.5, 0.4, 0.3, 0.2], 1, 0.95);
  close(advantages, [0.31065, 0.327, 0.66, 0.8]);
  close(returns, [0.81065, 0.727, 0.96, 1.0]);
});

it('agrees with the direct double sum of discounted temporal differences', () => {
  const length = 40;
  const rewards = Array.from({ length }, (_, t) => Math.sin(3 * t + 1));
  const values = Array.from({ length }, (_, t) => Math.cos(2 * t));
  const [gamma, lam] = [0.97, 0.9];
  const delta = rewards.map((r, t) => r + gamma * (values[t + 1] ?? 0) - values[t]!);
  const direct = delta.map((_, t) => delta.slice(t).reduce((sum, d, l) => sum + (gamma * lam) ** l * d, 0));
  close(gae(rewards, values, gamma, lam).advantages, direct);
});

it('whitens over all rows with the unbiased variance', () => {
  const [first, second] = whiten([
    [0.31065, 0.327],
    [0.66, 0.8],
  ]);
  close(first!, [-0.87512, -0.808184]);
  close(second!, [0.55508, 1.128224]);
});

it('keeps the mean when asked to scale only', () => {
  const [row] = whiten([[1.2, 1.3, 1.4, 1.6, 1.7, 1.8, 1.9, 2.0, 1.5]], false);
  const mean = row!.reduce((a, b) => a + b) / row!.length;
  expect(mean).toBeCloseTo(1.6, 6);
  expect(row![0]).toBeCloseTo(1.6 - 0.4 / Math.sqrt(0.075), 5);
});

it('moves the KL coefficient towards its target, at most 20 % of a horizon share', () => {
  const settings = { target: 6, episodes: 256, horizon: 10_000 };
  const raised = adaptKlCoef(0.2, 10, settings);
  expect(raised).toBeCloseTo(0.201024, 9);
  expect(adaptKlCoef(raised, 3, settings)).toBeCloseTo(0.199994757, 9);
});
