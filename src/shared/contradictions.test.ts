// Settings of the methods that cannot go together, each refused at its place with a fix that names a setting.
import { expect, test } from 'vitest';
import { adaptKlCoef } from '../train/advantage';
import { contradictions } from './contradictions';
import type { Stage, StageOf } from './experiment';
import { choices, methodOf, STAGE_KINDS, type StageKind } from './methods';
import { SETTINGS } from './settings';
import { defaultStage } from './validate';

const data = {
  ...{ text: 't', sft: 's', prompts: 'p', eval_prompts: 'e', preferences: 'f' },
  sft_model_path: 'a',
};
const { sft_model_path: sft, ...bare } = data;
function problems<K extends StageKind>(kind: K, changes: Partial<StageOf<K>> = {}, given: object = data) {
  const stage = { ...defaultStage(kind), ...('reward' in defaultStage(kind) && RULE), ...changes } as Stage;
  const use_peft = kind !== 'pretrain';
  const lora = { r: 1, lora_alpha: 1, lora_dropout: 0, target_modules: ['q'], use_rslora: false, use_peft };
  const experiment = { format: 1, name: 'x', model: 'm', seed: 1, lora, data: given, stages: [stage] };
  return contradictions(experiment as Parameters<typeof contradictions>[0]);
}
const RULE = { reward: { kind: 'rule', name: 'kind-ending' } };
const told = (...found: ReturnType<typeof problems>): string[] =>
  found.map(({ level, path }) => `${level} ${path.replace('stages[0].', '')}`);

test.each(STAGE_KINDS.filter((kind) => kind !== 'pairs'))('a default %s stage has none', (kind) => {
  expect(problems(kind, {}, kind === 'sft' ? { sft: 's' } : data)).toEqual([]);
});

test.each<[StageKind, object, string]>([
  ['dpo', { beta: 0 }, 'error beta'],
  ['dpo', { loss_type: 'ipo', label_smoothing: 0.1 }, 'error label_smoothing'],
  ['dpo', { loss_type: 'robust' }, 'warning label_smoothing'],
  ['kto', { per_device_train_batch_size: 1 }, 'error per_device_train_batch_size'],
  ['kto', { desirable_weight: 0, undesirable_weight: 0 }, 'error desirable_weight'],
  ['kto', { beta: 0 }, 'error beta'],
  ['orpo', { beta: 0 }, 'warning beta'],
  ['simpo', { beta: 0 }, 'error beta'],
  ['simpo', { warmup_steps: 200 }, 'error warmup_steps'],
  ['grpo', { num_generations: 1 }, 'error num_generations'],
  ['grpo', { num_generations: 5 }, 'error num_generations'],
  [
    'grpo',
    { loss_type: 'bnpo', per_device_train_batch_size: 4, gradient_accumulation_steps: 8 },
    'error loss_type',
  ],
  ['grpo', { beta: 0 }, 'warning beta'],
  ['grpo', { epsilon_high: 0.1 }, 'warning epsilon_high'],
  ['rloo', { num_generations: 1 }, 'error num_generations'],
  ['rloo', { num_generations: 5 }, 'error num_generations'],
  ['rloo', { beta: 0 }, 'warning beta'],
  ['rloo', { total_episodes: 16 }, 'error total_episodes'],
  ['rloo', { warmup_steps: 31 }, 'error warmup_steps'],
  ['reinforce', { per_device_train_batch_size: 1 }, 'error baseline'],
  ['online_dpo', { per_device_train_batch_size: 3 }, 'error per_device_train_batch_size'],
  ['online_dpo', { beta: 0 }, 'error beta'],
  ['rft', { num_generations: 1 }, 'error num_generations'],
  ['rft', { num_generations: 5 }, 'error num_generations'],
  ['reinforce', { beta: 0 }, 'warning beta'],
  ['ppo', { missing_eos_trick: 'replace' }, 'error missing_eos_trick'],
  ['ppo', { use_score_norm: true }, 'error use_score_norm'],
  ['ppo', { use_score_scaling: true, per_device_train_batch_size: 1 }, 'error use_score_scaling'],
  ['ppo', { kl_target: 6, kl_horizon: 6.4 }, 'error kl_horizon'],
  ['ppo', { kl_estimator: 'k3' }, 'warning kl_estimator'],
  ['ppo', { num_mini_batches: 5 }, 'error num_mini_batches'],
])('%s with %j: %s', (kind, changes, expected) => {
  const found = problems(kind, changes);
  expect(told(...found)).toEqual([expected]);
  expect(found[0]!.fix).toMatch(/^[A-Z].*\.$/);
  const names = Object.keys(SETTINGS).filter((key) => found[0]!.fix.includes(key));
  if (!found[0]!.fix.startsWith('Use '))
    expect(names.length + Number(/batch/.test(found[0]!.fix))).toBeGreaterThan(0);
});

test.each([
  [{ quantization: 'nf4' }, 'error lora.use_peft'],
  [{ lora: { use_peft: false, use_dora: true } }, 'error lora.use_peft'],
  [{ lora: {}, stages: [defaultStage('pretrain')] }, 'error stages[0]'],
])('all weights with %j: %s', (changes, expected) => {
  const lora = { use_peft: false };
  const [given, stages] = [{ text: 't', sft: 's' }, [defaultStage('sft')]];
  const experiment = { format: 1, name: 'x', model: 'm', seed: 1, lora, data: given, stages, ...changes };
  expect(told(...contradictions(experiment as Parameters<typeof contradictions>[0]))).toEqual([expected]);
});

test('the bare model in the place of a reference is told of, once, and where it is asked for only', () => {
  for (const kind of STAGE_KINDS) {
    const found = problems(kind, {}, bare).filter(({ path }) => path === 'stages[0]' && kind !== 'pairs');
    expect([kind, ...told(...found)]).toEqual(
      methodOf(kind).holdsReference ? [kind, 'warning stages[0]'] : [kind],
    );
  }
  expect(problems('ppo', {}, bare)[0]!.message).toContain('begins as the bare model');
  expect(problems('ppo', {}, { ...bare, sft_model_path: 'base' })).toEqual([]);
});

test('a policy from elsewhere whose reference is missing is refused', () => {
  const given = { ...bare, policy_model_path: 'p' };
  for (const kind of choices()) {
    const found = problems(kind, {}, given);
    expect([kind, ...told(...found)]).toEqual(
      methodOf(kind).holdsReference ? [kind, 'error stages[0]'] : [kind],
    );
  }
  const [missing] = problems('dpo', {}, given);
  expect(missing!.message).toContain('it goes on from data.policy_model_path');
  expect(missing!.fix).toMatch(/"sft_model_path".*"base"/);
  for (const named of [sft, 'base'])
    expect(problems('dpo', {}, { ...given, sft_model_path: named })).toEqual([]);
});

test('a policy that nothing goes on from is told of', () => {
  const given = { ...data, policy_model_path: 'p' };
  expect(told(...problems('reward', {}, given))).toEqual(['warning data.policy_model_path']);
  expect(told(...problems('pretrain', {}, given))).toEqual(['warning data.policy_model_path']);
});

test('an adapter beside the stage that it stands in for: the stage wins, and the warning says so once', () => {
  const given = { ...data, reward_model_path: 'b' };
  const [sft, ...more] = problems('sft', {}, given);
  expect(told(sft!, ...more)).toEqual(['warning stages[0]']);
  expect(sft!.message).toContain(
    'this stage wins over data.sft_model_path, which is given as well: it goes on',
  );
  const [reward] = problems('reward', {}, given);
  expect(reward!.message).toContain('wins over data.reward_model_path');
  expect(reward!.message).toContain('trains a reward model anew');
  expect(problems('sft', {}, { sft: 's', reward_model_path: 'b' })).toEqual([]);

  const stages = (['dpo', 'sft', 'sft'] as const).map((kind) => defaultStage(kind));
  const several = { format: 1, name: 'x', model: 'm', seed: 1, lora: {}, data, stages };
  const found = contradictions(several as unknown as Parameters<typeof contradictions>[0]);
  expect(told(...found)).toEqual(['warning stages[1]']);
  expect(found[0]!.message).toContain('goes on training the policy of the stage before it');
});

test('a horizon just above a fifth of the batch keeps the price of KL a price', () => {
  expect(problems('ppo', { kl_target: 6, kl_horizon: 6.5 })).toEqual([]);
  expect(adaptKlCoef(0.2, 0, { target: 6, episodes: 32, horizon: 6.5 })).toBeGreaterThan(0);
  expect(adaptKlCoef(0.2, 0, { target: 6, episodes: 32, horizon: 6.4 })).toBeCloseTo(0, 10);
});

test('pairs, prompts and a reward that are missing are asked for', () => {
  expect(told(...problems('orpo', {}, {}))).toEqual(['error stages[0]']);
  expect(told(...problems('grpo', {}, { sft_model_path: 'a' }))).toEqual(['error stages[0]']);
  expect(told(...problems('grpo', { reward: { kind: 'model' } }))).toEqual(['error reward']);
});
