// A refusal is read by a person: it names the stage, where its memory goes, and only the settings that would change.

import { expect, it } from 'vitest';
import { type Budget, largestOf, newTokens, refusalOf } from './budget';
import { defaultStage, parseExperiment } from './validate';

const { experiment } = parseExperiment(
  '{"format": 1, "data": {"sft": "a.jsonl", "prompts": "b.jsonl", "sft_model_path": "sft"}, "stages": [{"kind": "sft"}, {"kind": "ppo", "reward": {"kind": "rule", "name": "kind-ending"}}]}',
  'x.json',
);
const sum = (stage: string, activations: number, cache: number) => ({
  stage,
  weights: 1e9,
  adapters: 2e7,
  activations,
  cache,
  total: 1.02e9 + Math.max(activations, cache),
});
const budget: Budget = {
  stages: [sum('sft', 1e9, 0), sum('ppo', 2e9, 5e9)],
  limit: 4e9,
  gradientCheckpointing: false,
  fits: null,
};

it('names what takes most and where there is nothing smaller', () => {
  const refused = refusalOf(budget, experiment)!;
  expect(refused.message).toContain('Stage ppo would need 6.0 GB: 1.0 GB for weights, 20 MB');
  expect(refused.message).toContain('5.0 GB for the key/value cache. The device gives at most 4.0 GB.');
  expect(refused.fix).toBe('Use a smaller model or shorter texts.');
  expect(largestOf(budget.stages)?.stage).toBe('ppo');
});

it('says which settings would fit, and of them only those that change', () => {
  const stages = experiment.stages.map((stage) =>
    stage.kind === 'ppo' ? { ...stage, per_device_train_batch_size: 8 } : stage,
  );
  const fits = { ...experiment, stages, quantization: 'float16' as const };
  expect(refusalOf({ ...budget, fits }, experiment)?.fix).toBe(
    'This would fit: quantization float16; ppo: per_device_train_batch_size 8.',
  );
});

it('refuses nothing that fits, nor where nobody knows the limit', () => {
  expect(refusalOf({ ...budget, limit: 7e9 }, experiment)).toBeNull();
  expect(refusalOf({ ...budget, limit: null }, experiment)).toBeNull();
});

it('knows what every method writes to a prompt, whatever it calls it', () => {
  expect(['sft', 'reward', 'dpo'].map((kind) => newTokens(defaultStage(kind as 'sft')))).toEqual([0, 0, 0]);
  for (const kind of ['pairs', 'ppo', 'grpo', 'rloo', 'reinforce', 'online_dpo', 'rft', 'evaluate'] as const)
    expect(newTokens(defaultStage(kind)), kind).toBeGreaterThan(0);
});
