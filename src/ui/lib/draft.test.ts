// Editing must change one setting and nothing else, and refuse what the table does not allow, in words.

import { describe, expect, it } from 'vitest';
import type { Experiment } from '../../shared/experiment';
import type { Setting } from '../../shared/setting';
import { defaultStage } from '../../shared/validate';
import {
  ownSources,
  parseValue,
  readSetting,
  settingsAt,
  showValue,
  startingFrom,
  withMethod,
  writeSetting,
  type Place,
} from './draft';

const experiment: Experiment = {
  format: 1,
  name: 'kind-endings',
  model: 'bundled:stories-neo',
  seed: 1,
  lora: { r: 8, lora_alpha: 16, lora_dropout: 0, target_modules: ['q_proj', 'v_proj'], use_rslora: false },
  data: { sft: 'builtin:kind-endings/sft' },
  stages: [defaultStage('sft'), defaultStage('pairs'), defaultStage('ppo')],
};

function setting(place: Place, key: string): Setting {
  const found = settingsAt(experiment, place).find((each) => each.key === key);
  if (!found) throw new Error(`no setting ${key}`);
  return found;
}

describe('writeSetting', () => {
  it('changes one setting of one stage', () => {
    const changed = writeSetting(experiment, 0, setting(0, 'learning_rate'), 0.01);
    expect(readSetting(changed, 0, setting(0, 'learning_rate'))).toBe(0.01);
    expect(changed.stages[2]).toBe(experiment.stages[2]);
    expect(readSetting(experiment, 0, setting(0, 'learning_rate'))).toBe(0.002);
  });

  it('reaches the labeller inside the pairs', () => {
    const changed = writeSetting(experiment, 1, setting(1, 'noise'), 0.3);
    expect(changed.stages[1]).toMatchObject({ kind: 'pairs', labeller: { kind: 'rule', noise: 0.3 } });
    expect(readSetting(changed, 1, setting(1, 'noise'))).toBe(0.3);
  });

  it('reaches the experiment, its adapter and its data', () => {
    expect(writeSetting(experiment, 'experiment', setting('experiment', 'seed'), 7).seed).toBe(7);
    expect(writeSetting(experiment, 'lora', setting('lora', 'r'), 4).lora.r).toBe(4);
    expect(writeSetting(experiment, 'data', setting('data', 'sft'), undefined).data).toEqual({});
  });
});

describe('parseValue', () => {
  it('reads numbers as people write them', () => {
    expect(parseValue(setting(0, 'learning_rate'), ' 1e-3 ')).toEqual({ value: 0.001 });
    expect(parseValue(setting(0, 'learning_rate'), '0,5')).toEqual({ value: 0.5 });
    expect(parseValue(setting('lora', 'target_modules'), 'q_proj, c_fc')).toEqual({
      value: ['q_proj', 'c_fc'],
    });
  });

  it('says what a value may be', () => {
    expect(parseValue(setting(0, 'learning_rate'), '-1')).toEqual({
      problem: 'Learning rate may be a number above 0 and at most 1.',
    });
    expect(parseValue(setting(0, 'max_steps'), '2.5')).toHaveProperty('problem');
    expect(parseValue(setting(0, 'max_steps'), '')).toHaveProperty('problem');
    expect(parseValue(setting(0, 'max_steps'), 'many')).toHaveProperty('problem');
  });

  it('takes an empty field as off, where off exists', () => {
    const patience = setting(0, 'early_stopping_patience');
    expect(parseValue(patience, '')).toEqual({ value: null });
    expect(showValue(null)).toBe('');
    expect(parseValue(setting('data', 'preferences'), '')).toEqual({ value: undefined });
  });
});

describe('withMethod', () => {
  it('puts the method in the place of the stage, at its defaults, and keeps the reward', () => {
    const rule = { kind: 'rule' as const, name: 'kind-ending' };
    const ppo = writeSetting(experiment, 2, setting(2, 'reward'), rule);
    const changed = withMethod(ppo, 2, 'grpo');
    expect(changed.stages[2]).toEqual({ ...defaultStage('grpo'), reward: rule });
    expect(changed.stages.slice(0, 2)).toEqual(experiment.stages.slice(0, 2));
    expect(withMethod(changed, 2, 'dpo').stages[2]).toEqual(defaultStage('dpo'));
  });
});

describe('startingFrom', () => {
  it('puts an adapter in the place of the SFT stage, and the stage back in the place of the adapter', () => {
    const from = startingFrom(experiment, 'own:mine', experiment);
    expect(from.data.sft_model_path).toBe('own:mine');
    expect(from.stages.map(({ kind }) => kind)).toEqual(['pairs', 'ppo']);
    expect(startingFrom(from, 'own:other', experiment).data.sft_model_path).toBe('own:other');
    expect(startingFrom(from, null, experiment)).toEqual(experiment);
  });

  it('leaves a stage that stands as it is', () => {
    const edited = writeSetting(experiment, 0, setting(0, 'learning_rate'), 0.01);
    expect(startingFrom(edited, null, experiment)).toEqual(edited);
  });
});

it('tells which models and adapters of one’s own an experiment reads', () => {
  const some = {
    ...experiment,
    model: 'own:tiny',
    data: { sft: 'own:rows', sft_model_path: 'own:mine', reward_model_path: 'adapters/reward' },
  };
  expect(ownSources(some, 'model')).toEqual(['own:tiny']);
  expect(ownSources(some, 'adapter')).toEqual(['own:mine']);
  expect(ownSources(experiment, 'model')).toEqual([]);
});
