// No advice names a setting that the stage it is given to cannot have: every check of every method, made to speak.
import { describe, expect, test } from 'vitest';
import { healthOf } from '../../tests/health';
import { advise, canBeSet, settingsNamed } from './advice';
import type { Notice } from './health';
import { checkTexts } from './health-texts';
import { choices, methodOf, STAGE_KINDS, type StageKind } from './methods';
import { metricOf } from './metrics';

test('settings are found by their keys, words that mean nothing else aside', () => {
  expect(settingsNamed('Raise beta or lower num_ppo_epochs; the model and the reward stay.')).toEqual([
    'beta',
    'num_ppo_epochs',
  ]);
});

test('a way is told where the stage has its settings', () => {
  const ways = ['raise kl_coef', 'raise beta', 'lower noise', 'stop earlier'];
  expect(advise('ppo-2', ...ways)).toBe('Raise kl_coef, lower noise or stop earlier.');
  expect(advise('grpo', ...ways.slice(0, 2))).toBe('Raise beta.');
  expect(advise('sft', 'raise beta')).toBe('Go back to an earlier checkpoint.');
});

const rising = (from: number, to: number, length = 40): number[] =>
  Array.from({ length }, (_, i) => from + ((to - from) * i) / (length - 1));
const always = (value: number): number[] => rising(value, value);

/** Curves that show one thing each that goes wrong, and the metric by which it is told. */
const WRONG: Record<string, { columns: Record<string, number[]>; told: string[] }> = {
  'a number that is none': { columns: { grad_norm: always(NaN) }, told: ['grad_norm'] },
  'no gradient': { columns: { grad_norm: always(0), learning_rate: always(1e-3) }, told: ['grad_norm'] },
  'a held-out loss that rises': { columns: { eval_loss: rising(1, 2) }, told: ['eval_loss'] },
  'entropy that collapses': {
    columns: { entropy: rising(2, 0.01), 'policy/entropy_avg': rising(2, 0.01) },
    told: ['entropy', 'policy/entropy_avg'],
  },
  'a KL beyond bounds': { columns: { 'objective/kl': rising(0, 12) }, told: ['objective/kl'] },
  'a KL below 0': { columns: { 'objective/kl': always(-1) }, told: ['objective/kl'] },
  'scores that are all alike': {
    columns: { 'objective/scores': always(1), 'objective/scores_std': always(0) },
    told: ['objective/scores_std'],
  },
  'scores that stand still': {
    columns: { 'objective/scores': always(1), 'objective/scores_std': always(1) },
    told: ['objective/scores'],
  },
  'fewer and fewer that end': { columns: { finish_rate: rising(1, 0.2) }, told: ['finish_rate'] },
  'groups of equals': {
    columns: { frac_reward_zero_std: always(1) },
    told: ['frac_reward_zero_std'],
  },
  'ratios that are clipped': {
    columns: { 'clip_ratio/region_mean': always(0.6), 'policy/clipfrac_avg': always(0.6) },
    told: ['clip_ratio/region_mean', 'policy/clipfrac_avg'],
  },
  'chosen completions that become less likely': {
    columns: { 'logps/chosen': rising(-30, -60), 'rewards/margins': rising(0, 2) },
    told: ['logps/chosen'],
  },
  guessing: {
    columns: { 'rewards/accuracies': always(0.5), 'rewards/margins': always(0) },
    told: ['rewards/accuracies', 'rewards/margins'],
  },
  'pairs of equals': { columns: { 'objective/scores_margin': always(0) }, told: ['objective/scores_margin'] },
  'a KL at 0': {
    columns: { kl: always(0), 'rewards/rejected': rising(0, -1) },
    told: ['kl'],
  },
  'a baseline far away': {
    columns: {
      baseline: always(0),
      'objective/rlhf_reward': always(5),
      'objective/scores_std': always(1),
    },
    told: ['baseline'],
  },
  'a best that is none': {
    columns: {
      'objective/scores_best': always(1.05),
      'objective/scores': always(1),
      'objective/scores_std': always(1),
    },
    told: ['objective/scores_best'],
  },
  'a reward model that guesses': { columns: { eval_accuracy: always(0.5) }, told: ['eval_accuracy'] },
  'ratios far from 1': { columns: { 'val/ratio': always(3) }, told: ['val/ratio'] },
  'a policy that stays': {
    columns: { 'policy/approxkl_avg': always(0), 'objective/kl': always(0), lr: always(1e-3) },
    told: ['policy/approxkl_avg'],
  },
  'one epoch of one minibatch': {
    columns: { 'policy/approxkl_avg': always(0), 'objective/kl': always(1), lr: always(1e-3) },
    told: ['policy/approxkl_avg'],
  },
};

/** What is said of a stage whose rows hold those of the columns that it logs. */
function said(kind: StageKind, columns: Record<string, number[]>): Notice[] {
  const own = Object.entries(columns).filter(([name]) => metricOf(kind, name));
  const rows = Array.from({ length: 40 }, (_, i) => ({
    stage: `${kind}-2`,
    step: i + 1,
    ...Object.fromEntries(own.map(([name, column]) => [name, column[i]!])),
  }));
  return healthOf(rows);
}

const cases = STAGE_KINDS.flatMap((kind) =>
  Object.entries(WRONG).map(([what, wrong]) => ({ kind, what, ...wrong })),
);

describe('advice', () => {
  test.each(cases)('of $kind on $what names what it has', ({ kind, columns, told }) => {
    const notices = said(kind, columns);
    for (const { try: way, message } of notices) {
      expect(settingsNamed(way).filter((key) => !canBeSet(key, `${kind}-2`))).toEqual([]);
      expect(way).toMatch(/^[A-Z].*\.$/);
      expect(message).not.toMatch(/NaN(?! at (step|update))|undefined/);
    }
    // It is told wherever all that shows it is logged.
    const logged = Object.keys(columns).every((name) => metricOf(kind, name));
    const alone = Object.keys(columns).some((name) => told.includes(name) && metricOf(kind, name));
    if (logged)
      expect(notices.map(({ metric }) => metric)).toContain(told.find((name) => metricOf(kind, name)));
    else if (!alone) expect(notices.filter(({ metric }) => told.includes(metric))).toEqual([]);
  });

  test.each(choices())('each method has ways to fail that are told: %s', (kind) => {
    const found = Object.values(WRONG).flatMap(({ columns }) =>
      said(kind, columns).map(({ metric }) => metric),
    );
    expect(new Set(found).size).toBeGreaterThanOrEqual(5);
    // How sure of itself it gets is told of all of them.
    if (kind !== 'online_dpo')
      expect(found).toContain(metricOf(kind, 'entropy') ? 'entropy' : 'policy/entropy_avg');
  });

  test.each(STAGE_KINDS.filter((kind) => methodOf(kind).leaves === 'policy'))(
    'on texts of %s too',
    (kind) => {
      const text = (step: number, completion: string) => ({ checkpoint: `${kind}@${step}`, completion });
      const [notice] = checkTexts(
        [text(5, 'One day a dog ran.'), text(10, 'so happy so happy so happy')],
        kind,
      );
      const named = settingsNamed(notice!.try);
      expect(named.length).toBeGreaterThan(0);
      expect(named.filter((key) => !canBeSet(key, kind))).toEqual([]);
    },
  );
});
