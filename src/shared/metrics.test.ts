import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { family, METHODS, STAGE_KINDS, type StageKind } from './methods';
import { metricOf, METRICS } from './metrics';
import { SETTINGS } from './settings';

const names = (stage: StageKind): string[] =>
  METRICS.filter(({ stages }) => stages.includes(stage)).map(({ name }) => name);

describe('the table', () => {
  test.each(METRICS.map((metric) => [`${metric.stages.join('+')} ${metric.name}`, metric] as const))(
    '%s is explained, and what it says to try exists',
    (_, { tells, bad, label, healthy, try: keys }) => {
      expect(tells).toMatch(/^[A-Za-z].{15,140}[.]$/);
      expect(bad).toMatch(/^[A-Z].{8,140}\.$/);
      expect(label.length).toBeLessThanOrEqual(24);
      expect(new Set(keys).size).toBe(keys.length);
      for (const key of keys) expect(SETTINGS).toHaveProperty(key);
      if (healthy) expect(healthy.min ?? -Infinity).toBeLessThan(healthy.max ?? Infinity);
    },
  );

  test('says one thing about a metric of a stage', () => {
    const all = METRICS.flatMap(({ name, stages }) => stages.map((stage) => `${stage} ${name}`));
    expect(all.filter((name, i) => all.indexOf(name) !== i)).toEqual([]);
  });

  test('what it says to try can be set in a stage that the metric follows from', () => {
    for (const { name, stages, try: keys } of METRICS) {
      for (const key of keys) {
        const scopes = Object.keys(SETTINGS[key].in);
        const earlier = ['lora', 'labeller', 'pairs'];
        // An evaluation shows the outcome of every stage before it.
        const reachable = stages.includes('evaluate') ? [...earlier, ...scopes] : [...earlier, ...stages];
        expect([name, key, scopes.some((scope) => reachable.includes(scope))]).toEqual([name, key, true]);
      }
    }
  });
});

describe('TRL’s metrics are all there under TRL’s names', () => {
  test('of PPO', () => {
    const trl =
      'eps objective/kl objective/entropy objective/non_score_reward objective/rlhf_reward objective/scores ' +
      'policy/approxkl_avg policy/clipfrac_avg loss/policy_avg loss/value_avg val/clipfrac_avg policy/entropy_avg ' +
      'val/ratio val/ratio_var val/num_eos_tokens lr episode';
    expect(names('ppo')).toEqual(expect.arrayContaining(trl.split(' ')));
  });

  test('of SFT and the reward model', () => {
    const both = ['epoch', 'num_tokens', 'loss', 'eval_loss', 'learning_rate', 'grad_norm'];
    expect(names('sft')).toEqual(expect.arrayContaining([...both, 'entropy']));
    expect(names('reward')).toEqual(
      expect.arrayContaining([...both, 'accuracy', 'margin', 'min_reward', 'mean_reward', 'max_reward']),
    );
  });
});

describe('the table and what is logged', () => {
  const source = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

  test('every metric that PPO logs under a compound name is in the table', () => {
    const found = source('train/ppo.ts').matchAll(/'((?:objective|policy|val|loss)\/\w+)'/g);
    const logged = Array.from(found, ([, name]) => name);
    expect(logged.length).toBeGreaterThan(10);
    expect(names('ppo')).toEqual(expect.arrayContaining(logged));
  });

  /** Beside the method's own file. */
  const more: Partial<Record<StageKind, string[]>> = {
    evaluate: ['evaluate/measures.ts'],
    ppo: ['train/rollouts.ts'],
    ...Object.fromEntries(family('preference').map((kind) => [kind, ['train/preference.ts']])),
    ...Object.fromEntries(
      family('sampling').map((kind) => [kind, ['train/rollouts.ts', 'train/preference.ts']]),
    ),
  };
  test.each(STAGE_KINDS)(
    'every metric that the table has of %s is written down where it is logged',
    (stage) => {
      const files = [METHODS[stage].code.replace('src/', ''), ...(more[stage] ?? [])];
      const text = files.map(source).join('\n');
      const missing = names(stage).filter((name) => !new RegExp(`\\b${name}'?(:|,| \\})`).test(text));
      expect(missing).toEqual([]);
    },
  );
});

test('a metric is found by the name of its stage, a second one of its kind included', () => {
  expect(metricOf('ppo-2', 'objective/kl')?.healthy).toEqual({ min: 0, max: 10 });
  expect(metricOf('reward', 'loss')?.unit).toBe('nats');
  expect(metricOf('sft', 'loss')?.unit).toBe('nats a token');
  expect(metricOf('sft', 'objective/kl')).toBeUndefined();
});
