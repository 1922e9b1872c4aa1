// The experiments that stand beside the default one differ from it in what they are there to show, and in nothing else.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { stageNames } from '../../src/shared/experiment';
import { parseExperiment } from '../../src/shared/validate';

/** Every setting of an experiment by its place, as `ppo.kl_coef`. */
function settings(name: string): Map<string, string> {
  const text = readFileSync(new URL(`../../experiments/${name}.json`, import.meta.url), 'utf8');
  const { stages, ...rest } = parseExperiment(text, name).experiment;
  const names = stageNames(stages);
  const whole = { ...rest, ...Object.fromEntries(stages.map((stage, i) => [names[i]!, stage])) };
  const found = new Map<string, string>();
  const walk = (value: unknown, place: string): void => {
    if (typeof value !== 'object' || value === null) found.set(place, JSON.stringify(value));
    else
      for (const [key, inner] of Object.entries(value)) walk(inner, place === '' ? key : `${place}.${key}`);
  };
  walk(whole, '');
  return found;
}

const usual = settings('kind-endings');

const reward = ['ppo.reward.kind', 'ppo.reward.name'];
test.each([
  ['no-kl', ['ppo.kl_coef'], []],
  ['noise', ['pairs.labeller.noise'], []],
  ['rule', [...reward, 'ppo.total_episodes', 'ppo.kl_coef', 'ppo.missing_eos_penalty'], ['pairs', 'reward']],
  ['ppo', ['seed', 'data.sft_model_path', 'data.reward_model_path'], ['sft', 'pairs', 'reward']],
])('kind-endings-%s differs from the default in %j and goes without %j', (name, changed, without) => {
  const own = settings(`kind-endings-${name}`);
  const places = [...new Set([...usual.keys(), ...own.keys()])];
  const differing = places.filter((place) => own.get(place) !== usual.get(place));
  const gone = differing.filter((place) => without.some((stage) => place.startsWith(`${stage}.`)));
  expect(gone.filter((place) => own.has(place))).toEqual([]);
  expect(new Set(gone.map((place) => place.split('.')[0]))).toEqual(new Set(without));
  const others = differing.filter((place) => !gone.includes(place));
  expect(others.sort()).toEqual(['name', ...changed].sort());
});
