import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseExperiment } from '../../shared/validate';
import { leadsIn } from './advice';

const file = new URL('../../../experiments/kind-endings.json', import.meta.url);
const { experiment } = parseExperiment(readFileSync(file, 'utf8'), 'kind-endings.json');
const found = (advice: string, stage: string): string[] =>
  leadsIn(advice, experiment, stage).map(({ key, station }) => `${station.name} ${key}`);

test('settings are found at the stage that the advice is for', () => {
  expect(found('Raise kl_coef or lower learning_rate.', 'ppo')).toEqual(['ppo kl_coef', 'ppo learning_rate']);
  expect(found('Lower max_steps or learning_rate.', 'sft')).toEqual(['sft max_steps', 'sft learning_rate']);
});

test('what the stage does not have is looked for in the stages before it', () => {
  expect(found('Raise count, max_steps or learning_rate, or lower the labeller’s noise.', 'reward')).toEqual([
    'pairs count',
    'reward max_steps',
    'reward learning_rate',
    'pairs noise',
  ]);
});

test('plain words are not taken for settings, and what nobody can set leads nowhere', () => {
  expect(found('Check the model and the reward; sample with top-k off.', 'ppo')).toEqual([]);
  expect(found('Raise kl_coef.', 'sft')).toEqual([]);
});
