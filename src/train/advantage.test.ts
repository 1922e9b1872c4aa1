// Advantages by their definitions; golden-scalars.test.ts has the reference's numbers.
import { expect, it } from 'vitest';
import { adaptKlCoef, gae, whiten } from './advantage';

const close = (actual: ArrayLike<number>, expected: number[]) => {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => expect(actual[i]!).toBeCloseTo(value, 6));
};

it('agrees with the direct double sum of discounted temporal differences', () => {
  const length = 40;
  const rewards = Array.from({ length }, (_, t) => Math.sin(3 * t + 1));
  const values = Array.from({ length }, (_, t) => Math.cos(2 * t));
  const [gamma, lam] = [0.97, 0.9];
  const delta = rewards.map((r, t) => r + gamma * (values[t + 1] ?? 0) - values[t]!);
  const direct = delta.map((_, t) => delta.slice(t).reduce((sum, d, l) => sum + (gamma * lam) ** l * d, 0));
  close(gae(rewards, values, gamma, lam).advantages, direct);
});

it('whitens over all rows alike, however they are cut', () => {
  const cut = whiten([[0.3], [0.1, 0.7]]).flatMap((row) => Array.from(row));
  close(cut, Array.from(whiten([[0.3, 0.1, 0.7]])[0]!));
});

it('keeps the mean when asked to scale only', () => {
  const [row] = whiten([[1.2, 1.3, 1.4, 1.6, 1.7, 1.8, 1.9, 2.0, 1.5]], false);
  const mean = row!.reduce((a, b) => a + b) / row!.length;
  expect(mean).toBeCloseTo(1.6, 6);
  expect(row![0]).toBeCloseTo(1.6 - 0.4 / Math.sqrt(0.075), 5);
});

it('moves the KL coefficient by at most a fifth of a horizon share, and not at all on target', () => {
  const settings = { target: 6, episodes: 256, horizon: 10_000 };
  const most = 0.2 * (1 + (0.2 * 256) / 10_000);
  expect(adaptKlCoef(0.2, 1000, settings)).toBe(most);
  expect(adaptKlCoef(0.2, 6, settings)).toBe(0.2);
});
