import { describe, expect, expectTypeOf, test } from 'vitest';
import { labellers } from '../feedback/labellers';
import { LABELLERS } from './experiment';
import type { DataSettings, Experiment, Labeller, LoraSettings } from './experiment';
import { STAGE_KINDS } from './methods';
import { allowed, fits, type Scope, type Setting } from './setting';
import { type FieldsOf, SETTINGS, settingsOf } from './settings';

const SCOPES: Scope[] = ['experiment', 'lora', 'data', 'labeller', ...STAGE_KINDS];

test('the table and the types of experiment.ts are the same in every scope', () => {
  expectTypeOf<FieldsOf<'experiment'>>().toEqualTypeOf<
    Required<Pick<Experiment, 'name' | 'model' | 'seed' | 'quantization' | 'gradient_checkpointing'>>
  >();
  expectTypeOf<keyof FieldsOf<'experiment'> | 'format' | 'lora' | 'data' | 'stages'>().toEqualTypeOf<
    keyof Experiment
  >();
  expectTypeOf<FieldsOf<'lora'>>().toEqualTypeOf<Required<LoraSettings>>();
  expectTypeOf<FieldsOf<'data'>>().toEqualTypeOf<Required<DataSettings>>();
  expectTypeOf<FieldsOf<'labeller'>>().toEqualTypeOf<Omit<Labeller, 'kind' | 'name'>>();
});

test('the names of labellers are those that exist', () => {
  expect(LABELLERS).toEqual(Object.keys(labellers));
  expect(LABELLERS).toContain(
    (settingsOf('pairs').find(({ key }) => key === 'labeller')?.default as Labeller).name,
  );
});

describe('every row', () => {
  const everywhere = SCOPES.flatMap((scope) =>
    settingsOf(scope).map((s) => [`${scope}.${s.key}`, s] as const),
  );

  test.each(everywhere)('%s accepts its own default', (_, setting) => {
    if (!setting.optional) expect(fits(setting, setting.default)).toBe(true);
    else expect(setting.scope).toBe('data');
  });

  test.each(everywhere)('%s is explained in one plain sentence', (_, setting) => {
    expect(setting.doc).toMatch(/^[A-Z].{15,125}\.$/);
    expect(setting.doc).not.toMatch(/\. /);
    expect(setting.label.length).toBeLessThanOrEqual(24);
    expect(allowed(setting)).not.toBe('');
  });

  test.each(everywhere)('%s has a log scale only where a logarithm goes', (_, { scale, range }) => {
    if (scale === 'log') expect(range.min ?? range.above).toBeGreaterThanOrEqual(0);
  });

  test('stands in at least one scope', () => {
    const used = new Set(SCOPES.flatMap((scope) => settingsOf(scope).map(({ key }) => key)));
    expect(Object.keys(SETTINGS).filter((key) => !used.has(key))).toEqual([]);
  });
});

describe('defaults', () => {
  const find = (scope: Scope, key: string): Setting => settingsOf(scope).find((s) => s.key === key)!;

  test('are those of the interface’s example, with TRL’s beside them', () => {
    expect(find('sft', 'learning_rate')).toMatchObject({ default: 2e-3, trl: 2e-5, scale: 'log' });
    expect(find('reward', 'learning_rate')).toMatchObject({ default: 1e-3, trl: 1e-4 });
    expect(find('ppo', 'learning_rate')).toMatchObject({ default: 1e-3, trl: 3e-6, applies: 'now' });
    expect(find('ppo', 'response_length')).toMatchObject({ default: 40, trl: 53, applies: 'next run' });
    expect(find('ppo', 'kl_target').trl).toBeUndefined();
    expect(find('lora', 'target_modules').default).toEqual(['q_proj', 'v_proj']);
  });
});

/** TRL's defaults (1.10-dev) by its configs, what they inherit from the transformers' TrainingArguments, and PEFT's as its
 *  ModelConfig has them; as far as there is such a setting here. */
const TRAINER = {
  per_device_train_batch_size: 8,
  gradient_accumulation_steps: 1,
  lr_scheduler_type: 'linear',
  warmup_steps: 0,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  weight_decay: 0,
  max_grad_norm: 1,
  save_steps: 500,
};
const ROWS = { ...TRAINER, max_steps: -1, eval_steps: null };
const PAIRS = { ...ROWS, learning_rate: 1e-6, beta: 0.1 };
const SAMPLES = {
  ...TRAINER,
  learning_rate: 1e-6,
  max_completion_length: 512,
  num_iterations: 1,
  epsilon: 0.2,
};
const TRL: Partial<Record<Scope, Record<string, unknown>>> = {
  experiment: { seed: 42 },
  lora: { use_peft: false, r: 16, lora_alpha: 32, lora_dropout: 0.05, use_rslora: false, use_dora: false },
  sft: { ...ROWS, learning_rate: 2e-5 },
  pretrain: { ...ROWS, learning_rate: 2e-5, max_length: 1024 },
  reward: { ...ROWS, learning_rate: 1e-4, center_rewards_coefficient: null },
  ppo: {
    ...TRAINER,
    learning_rate: 3e-6,
    // Its loop of its own clips no gradient.
    max_grad_norm: null,
    total_episodes: null,
    temperature: 0.7,
    response_length: 53,
    num_ppo_epochs: 4,
    num_mini_batches: 1,
    kl_coef: 0.05,
    kl_estimator: 'k1',
    cliprange: 0.2,
    cliprange_value: 0.2,
    vf_coef: 0.1,
    gamma: 1,
    lam: 0.95,
    whiten_rewards: false,
    missing_eos_penalty: null,
  },
  dpo: { ...PAIRS, loss_type: 'sigmoid', label_smoothing: 0 },
  kto: { ...PAIRS, desirable_weight: 1, undesirable_weight: 1 },
  orpo: PAIRS,
  simpo: { ...PAIRS, simpo_gamma: 0.5, cpo_alpha: 1, label_smoothing: 0 },
  grpo: {
    ...SAMPLES,
    temperature: 1,
    num_generations: 8,
    beta: 0,
    epsilon_high: null,
    loss_type: 'dapo',
    scale_rewards: 'group',
    importance_sampling_level: 'token',
  },
  rloo: { ...SAMPLES, temperature: 1, num_generations: 2, beta: 0.05, normalize_advantages: false },
  online_dpo: {
    ...TRAINER,
    learning_rate: 5e-7,
    beta: 0.1,
    temperature: 0.9,
    max_new_tokens: 64,
    loss_type: 'sigmoid',
    missing_eos_penalty: null,
  },
};

test.each(Object.entries(TRL) as [Scope, object][])('of %s TRL’s defaults are shown', (scope, expected) => {
  const shown = settingsOf(scope).filter(({ key }) => key in expected);
  expect(Object.fromEntries(shown.map(({ key, trl }) => [key, trl]))).toEqual(expected);
});

test('no other method shows a default of TRL’s', () => {
  const shown = STAGE_KINDS.filter((kind) => settingsOf(kind).some(({ trl }) => trl !== undefined));
  expect(shown.filter((kind) => !(kind in TRL))).toEqual([]);
});

describe('ranges', () => {
  const setting = (scope: Scope, key: string): Setting => settingsOf(scope).find((s) => s.key === key)!;

  test.each([
    ['sft', 'learning_rate', 0, false],
    ['sft', 'learning_rate', 1, true],
    ['sft', 'learning_rate', 1.0001, false],
    ['sft', 'learning_rate', NaN, false],
    ['sft', 'learning_rate', Infinity, false],
    ['sft', 'learning_rate', '0.1', false],
    ['sft', 'max_steps', 1.5, false],
    ['sft', 'max_steps', 0, false],
    ['sft', 'max_grad_norm', null, true],
    ['sft', 'weight_decay', null, false],
    ['sft', 'adam_beta1', 1, false],
    ['sft', 'adam_beta1', 0, true],
    ['sft', 'lr_scheduler_type', 'linear', true],
    ['sft', 'lr_scheduler_type', 'polynomial', false],
    ['sft', 'group_by_length', 1, false],
    ['lora', 'target_modules', [], false],
    ['lora', 'target_modules', ['a', 'a'], false],
    ['lora', 'target_modules', ['a', 1], false],
    ['lora', 'target_modules', 'a', false],
    ['experiment', 'name', ' ', false],
    ['experiment', 'seed', 4294967296, false],
  ] as [Scope, string, unknown, boolean][])('%s.%s %j: %s', (scope, key, value, ok) => {
    expect(fits(setting(scope, key), value)).toBe(ok);
  });

  test('are told in words', () => {
    expect(allowed(setting('sft', 'learning_rate'))).toBe('a number above 0 and at most 1');
    expect(allowed(setting('sft', 'max_grad_norm'))).toBe('a number above 0 and at most 1000, or null (off)');
    expect(allowed(setting('lora', 'lora_dropout'))).toBe('a number at least 0 and below 1');
    expect(allowed(setting('ppo', 'kl_estimator'))).toBe('"k1" or "k3"');
  });
});
