import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { choices, methodOf, STAGE_KINDS, type StageKind } from '../../shared/methods';
import { settingsOf } from '../../shared/settings';
import { defaultStage } from '../../shared/validate';
import { equationsOf } from './equations';
import { parseMath } from './mathml';

const trained = STAGE_KINDS.filter((kind) => methodOf(kind).leaves !== undefined);

/** Default settings of a kind, and one changed at a time: every choice, every switch, what is off by default on. */
function variants(kind: StageKind): object[] {
  const on: Record<string, unknown> = { label_smoothing: 0.1, cpo_alpha: 0.5, entropy_coef: 0.01, beta: 0 };
  const changed = settingsOf(kind).flatMap(({ key, type, choices: all, nullable, default: given }) => {
    if (type === 'choice') return all.map((value) => ({ [key]: value }));
    if (type === 'boolean') return [{ [key]: given !== true }];
    if (nullable && given === null) return [{ [key]: 0.5 }];
    return key in on && on[key] !== given ? [{ [key]: on[key] }] : [];
  });
  return [{}, ...changed].map((change) => ({ ...defaultStage(kind), ...change }));
}

const row = (kind: StageKind) => ({
  stage: kind,
  step: 1,
  ...(Object.fromEntries(methodOf(kind).metrics.map(({ name }) => [name, 0.5])) as Record<string, number>),
});

test.each(trained)('%s shows its loss, and the file that computes it is there', (kind) => {
  const equations = equationsOf(kind, null, undefined);
  expect(equations.length).toBeGreaterThan(0);
  for (const { filled } of equations) expect(filled).toBeNull();
  expect(existsSync(new URL(`../../../${methodOf(kind).code}`, import.meta.url))).toBe(true);
});

test.each(trained)('whatever its settings, %s has formulas that can be drawn and filled in', (kind) => {
  for (const stage of variants(kind)) {
    for (const { says, formula, filled } of equationsOf(kind, stage, row(kind))) {
      expect(parseMath(formula).length).toBeGreaterThan(2);
      expect(says).toMatch(/^[A-Z\p{L}]/u);
      expect(filled, `${kind} ${JSON.stringify(stage)}`).not.toBeNull();
      expect(filled).not.toContain('«');
    }
  }
});

/** Settings that change the loss itself: for each, the formula must be another one. */
const CHANGES: [StageKind, object[]][] = [
  ['reward', [{ center_rewards_coefficient: 0.01 }]],
  [
    'ppo',
    [
      { kl_estimator: 'k3' },
      { use_score_scaling: true },
      { use_score_scaling: true, use_score_norm: true },
      { score_clip: 1 },
      { entropy_coef: 0.01 },
    ],
  ],
  [
    'dpo',
    [
      { loss_type: 'ipo' },
      { loss_type: 'ipo', ipo_length_norm: false },
      { loss_type: 'hinge' },
      { loss_type: 'robust', label_smoothing: 0.1 },
      { label_smoothing: 0.1 },
      { rpo_alpha: 1 },
    ],
  ],
  ['kto', [{ undesirable_weight: 2 }]],
  ['simpo', [{ label_smoothing: 0.1 }, { cpo_alpha: 1 }]],
  [
    'grpo',
    [
      { loss_type: 'grpo' },
      { loss_type: 'dr_grpo' },
      { scale_rewards: 'batch' },
      { scale_rewards: 'none' },
      { importance_sampling_level: 'sequence' },
      { epsilon_high: 0.3 },
      { beta: 0 },
    ],
  ],
  ['rloo', [{ normalize_advantages: true }, { score_clip: 1 }]],
  ['reinforce', [{ baseline: 'none' }, { baseline: 'moving_average' }]],
  ['online_dpo', [{ loss_type: 'ipo' }, { loss_type: 'ipo', ipo_length_norm: true }]],
  ['rft', [{ sample_from: 'policy' }]],
];

describe('the formula follows the settings', () => {
  test.each(CHANGES)('of %s', (kind, changes) => {
    const formulas = [{}, ...changes].map((change) =>
      equationsOf(kind, change, undefined)
        .map(({ formula }) => formula)
        .join('\n'),
    );
    expect(new Set(formulas).size).toBe(formulas.length);
  });

  test.each([
    ['ppo', { whiten_advantages: false }],
    ['ppo', { whiten_rewards: true }],
    ['ppo', { kl_target: 6 }],
    ['grpo', { loss_type: 'bnpo' }],
  ] as [StageKind, object][])('and where it stays the words do: %s %j', (kind, change) => {
    const says = (settings: object) => equationsOf(kind, settings, undefined).map((line) => line.says);
    expect(says(change)).not.toEqual(says({}));
  });

  test('every method is held to it, or has no such setting', () => {
    const held = new Set(CHANGES.map(([kind]) => kind));
    expect(choices().filter((kind) => !held.has(kind))).toEqual(['orpo']);
  });
});

test('the numbers of the step are filled in, and hold together', () => {
  const told = {
    stage: 'ppo',
    step: 3,
    'objective/scores': 1.2,
    'objective/kl': 4,
    'objective/kl_coef': 0.2,
    'objective/rlhf_reward': 0.4,
    'loss/policy_avg': -0.02,
    'loss/value_avg': 0.5,
    'policy/entropy_avg': 2,
    'val/ratio': 1.01,
  };
  const [objective, , , total] = equationsOf('ppo', { vf_coef: 0.1, cliprange: 0.2 }, told);
  expect(objective?.filled).toBe('J = ⟨1.20⟩ - ⟨0.20⟩ · ⟨4.00⟩ = ⟨0.40⟩');
  expect(total?.filled).toBe('L = ⟨−0.02⟩ + ⟨0.10⟩ · ⟨0.50⟩ = ⟨0.03⟩');
  const [, , , bonus] = equationsOf('ppo', { vf_coef: 0.1, entropy_coef: 0.1 }, told);
  expect(bonus?.filled).toContain('⟨0.10⟩ · ⟨2.00⟩ = ⟨−0.17⟩');
});

test('what a step does not tell is not filled in', () => {
  expect(equationsOf('reward', {}, { stage: 'reward', step: 1, loss: 0.6 })[0]?.filled).toBeNull();
});
