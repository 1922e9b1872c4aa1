import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseExperiment } from '../../shared/validate';
import { derive } from '../judge/derive';
import { differences } from './differences';

const shipped = (name: string) =>
  parseExperiment(readFileSync(`experiments/${name}.json`, 'utf8'), name).experiment;
const base = shipped('kind-endings');

it('says nothing of runs that are alike, whatever they are called', () => {
  expect(differences([base, { ...base, name: 'another' }])).toEqual([]);
  expect(differences([])).toEqual([]);
});

it('names what differs, with the value of every run', () => {
  const noKl = shipped('kind-endings-no-kl');
  const found = differences([base, { ...noKl, seed: 3 }]);
  expect(found.map(({ key }) => key)).toEqual(['seed', 'ppo.kl_coef']);
  expect(found[0]!.values).toEqual([String(base.seed), '3']);
  expect(found[1]!.label).toMatch(/^PPO: /);
  expect(found[1]!.values[1]).toBe('0');
});

it('compares a run that has fewer stages only in those it has', () => {
  const judged = derive(base, ['sft', 'ppo'], 'policy')!.experiment;
  const found = differences([base, judged]);
  expect(found.map(({ key }) => key)).toEqual(['stages']);
  expect(found[0]!.values).toEqual(['SFT, Judge, Reward, PPO, Compare', 'Judge, Reward, PPO, Compare']);
});

it('shows a setting that is switched off as off', () => {
  const some = structuredClone(base);
  const ppo = some.stages.find(({ kind }) => kind === 'ppo')!;
  Object.assign(ppo, { missing_eos_penalty: null });
  expect(differences([base, some])[0]!.values).toEqual(['1', 'off']);
});
