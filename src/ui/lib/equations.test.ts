import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { methodOf, STAGE_KINDS } from '../../shared/methods';
import { METRICS } from '../../shared/metrics';
import { settingsOf } from '../../shared/settings';
import { equationsOf } from './equations';
import { parseMath } from './mathml';

const trained = STAGE_KINDS.filter((kind) => methodOf(kind).leaves !== undefined);

test.each(trained)('%s shows its loss, and the file that computes it is there', (kind) => {
  const equations = equationsOf(kind, null, undefined);
  expect(equations.length).toBeGreaterThan(0);
  for (const { formula, filled } of equations) {
    expect(parseMath(formula).length).toBeGreaterThan(2);
    expect(filled).toBeNull();
  }
  expect(existsSync(new URL(`../../../${methodOf(kind).code}`, import.meta.url))).toBe(true);
});

test.each(trained)('every number that %s is to be filled with is a metric or a setting of its', (kind) => {
  const settings = Object.fromEntries(settingsOf(kind).map(({ key }) => [key, 0.25]));
  const metrics = METRICS.filter(({ stages }) => stages.includes(kind)).map(({ name }) => [name, 0.5]);
  const row = { stage: kind, step: 1, ...(Object.fromEntries(metrics) as Record<string, number>) };
  const missing = equationsOf(kind, settings, row).filter(({ filled }) => filled === null);
  expect(missing).toEqual([]);
});

test('the numbers of the step are filled in, and hold together', () => {
  const row = {
    stage: 'ppo',
    step: 3,
    'objective/scores': 1.2,
    'objective/kl': 4,
    'objective/kl_coef': 0.2,
    'objective/rlhf_reward': 0.4,
    'loss/policy_avg': -0.02,
    'loss/value_avg': 0.5,
    'val/ratio': 1.01,
  };
  const [objective, , total] = equationsOf('ppo', { vf_coef: 0.1, cliprange: 0.2 }, row);
  expect(objective?.filled).toBe('J = ⟨1.20⟩ - ⟨0.20⟩ · ⟨4.00⟩ = ⟨0.40⟩');
  expect(total?.filled).toBe('L = ⟨−0.02⟩ + ⟨0.10⟩ · ⟨0.50⟩ = ⟨0.03⟩');
});

test('what a step does not tell is not filled in', () => {
  expect(equationsOf('reward', {}, { stage: 'reward', step: 1, loss: 0.6 })[0]?.filled).toBeNull();
});
