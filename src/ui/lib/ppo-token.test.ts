import { expect, test } from 'vitest';
import type { TokenColumns } from '../../shared/protocol';
import { parseMath } from './mathml';
import { clippedObjective, ppoToken } from './ppo-token';

const STAGE = {
  kl_coef: 0.1,
  kl_target: null,
  kl_estimator: 'k1',
  gamma: 1,
  lam: 0.95,
  whiten_rewards: false,
  whiten_advantages: true,
} as const;

/** Two tokens whose numbers hold together: A₁ = −0.2 − 0.5 + (1·0.4) … by GAE from the second. */
const tokens: TokenColumns = {
  text: [' a', ' b'],
  logprob: [-1, -0.5],
  ref_logprob: [-3, -1.5],
  reward: [-0.2, 0.9],
  value: [0.5, 0.4],
  advantage: [-0.2 + 0.4 - 0.5 + 0.95 * 0.5, 0.5],
};

test('the numbers of a token are filled in, and hold together', () => {
  const first = ppoToken(tokens, 0, STAGE);
  const formulas = first?.steps.map(({ formula }) => formula);
  expect(formulas?.[0]).toContain('⟨−1.00⟩ - (⟨−3.00⟩) = ⟨2.00⟩');
  expect(formulas?.[1]).toContain('-⟨0.10⟩ · ⟨2.00⟩ = ⟨−0.20⟩');
  expect(formulas?.[2]).toContain('= ⟨−0.30⟩');
  expect(formulas?.[3]).toContain('= ⟨0.17⟩');
  for (const formula of formulas ?? []) expect(() => parseMath(formula)).not.toThrow();
});

test('the last token gets the score, which is what its reward is more than its price of KL', () => {
  const formula = ppoToken(tokens, 1, STAGE)?.steps[1]?.formula;
  expect(formula).toContain('-⟨0.10⟩ · ⟨1.00⟩ + ⟨1.00⟩ = ⟨0.90⟩');
});

test('a steered coefficient is read off the reward', () => {
  const formula = ppoToken(tokens, 0, { ...STAGE, kl_coef: 0.7, kl_target: 6 })?.steps[1]?.formula;
  expect(formula).toContain('-⟨0.10⟩ · ⟨2.00⟩');
});

test('of a token that an update learnt from, the ratio is measured', () => {
  const learnt = { ...tokens, whitened: [0.6, 1.1], new_logprob: [-0.8, -0.9] };
  const first = ppoToken(learnt, 0, STAGE)!;
  expect(first.advantage).toBe(0.6);
  expect(first.ratio).toBeCloseTo(Math.exp(0.2), 12);
  const [used, ratio] = first.steps.slice(-2).map(({ formula }) => formula);
  expect(used).toContain('→ ⟨0.60⟩');
  expect(ratio).toContain('e^{⟨−0.80⟩ - (⟨−1.00⟩)} = ⟨1.22⟩');
  expect(ppoToken(learnt, 0, { ...STAGE, whiten_advantages: false })!.steps).toHaveLength(5);
  for (const formula of [used, ratio]) expect(() => parseMath(formula!)).not.toThrow();
  expect(clippedObjective(first.ratio!, first.advantage, 0.2)).toMatchObject({ clipped: 0.72, cut: true });
  expect(ppoToken(tokens, 0, STAGE)?.ratio).toBeNull();
});

test('a completion without a critic has no update to show', () => {
  const { text, logprob, ref_logprob } = tokens;
  expect(ppoToken({ text, logprob, ref_logprob }, 0, STAGE)).toBeNull();
});

test('the clip takes the gain of going further, and never the loss', () => {
  expect(clippedObjective(1.5, 2, 0.2)).toEqual({ value: 2.4, clipped: 2.4, cut: true });
  expect(clippedObjective(0.5, 2, 0.2)).toEqual({ value: 1, clipped: 1.6, cut: false });
  expect(clippedObjective(0.5, -2, 0.2)).toEqual({ value: -1.6, clipped: -1.6, cut: true });
  expect(clippedObjective(1.5, -2, 0.2)).toEqual({ value: -3, clipped: -2.4, cut: false });
  expect(clippedObjective(1, 2, 0.2).cut).toBe(false);
});
