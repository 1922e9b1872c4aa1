// Only what a stage reads afresh may change under it, and what changed must be what a person wrote.

import { describe, expect, it } from 'vitest';
import { changesBetween, checkChange, withChanges } from './changes';
import type { Experiment } from './experiment';
import { defaultStage } from './validate';

const experiment: Experiment = {
  format: 1,
  name: 'kind-endings',
  model: 'bundled:stories-neo',
  seed: 1,
  lora: { r: 8, lora_alpha: 16, lora_dropout: 0, target_modules: ['q_proj'], use_rslora: false },
  data: {},
  stages: [defaultStage('sft'), defaultStage('ppo'), defaultStage('ppo')],
};

describe('checkChange', () => {
  const check = (stage: string, key: string, value: number | null) => () =>
    checkChange(experiment, { stage, key, value });

  it('lets through what is read at every step', () => {
    expect(check('sft', 'learning_rate', 1e-4)).not.toThrow();
    expect(check('ppo-2', 'kl_coef', 0)).not.toThrow();
    expect(check('ppo', 'max_grad_norm', null)).not.toThrow();
  });

  it('refuses anything else', () => {
    expect(check('reward', 'learning_rate', 1e-4)).toThrow('no stage reward');
    expect(check('sft', 'kl_coef', 0.1)).toThrow('kl_coef of stage sft cannot be changed');
    expect(check('sft', 'max_steps', 10)).toThrow('max_steps of stage sft cannot be changed');
    expect(check('sft', 'learning_rate', 7)).toThrow('learning_rate is 7');
    expect(check('ppo', 'kl_coef', null)).toThrow('kl_coef is null');
  });
});

it('finds what can be taken up at once, and takes it up', () => {
  const changes = [
    { stage: 'sft', key: 'learning_rate', value: 1e-4 },
    { stage: 'ppo-2', key: 'max_grad_norm', value: null },
  ];
  const after = withChanges(experiment, changes);
  expect(changesBetween(experiment, after)).toEqual(changes);
  expect(after.stages[1]).toBe(experiment.stages[1]);
  expect(experiment.stages[0]).toMatchObject({ learning_rate: 2e-3 });
  const waiting = {
    ...after,
    stages: after.stages.map((stage) => ({ ...stage, max_steps: 3 })),
  } as Experiment;
  expect(changesBetween(after, waiting)).toEqual([]);
});
