// A model of another kind must come with layers it has, and a person's own choice must stay where it can.

import { expect, it } from 'vitest';
import { needs, PRESETS, targetsFor } from './presets';

const source = (label: string) => PRESETS.find((preset) => preset.label === label)!.source;

it('keeps the adapted layers where the other model has them, and takes its own where not', () => {
  expect(targetsFor(source('GPT-Neo 125M'), ['q_proj', 'k_proj'])).toEqual(['q_proj', 'k_proj']);
  expect(targetsFor(source('GPT-2'), ['q_proj', 'c_fc'])).toEqual(['c_attn', 'c_fc', 'c_proj']);
  expect(targetsFor(source('GPT-2'), ['c_fc'])).toEqual(['c_fc']);
  expect(targetsFor('own:mine', ['anything'])).toEqual(['anything']);
});

it('says what a model needs from its size', () => {
  expect(needs(5_914_112)).toBe('It runs on the CPU.');
  expect(needs(124_439_808)).toContain('500 MB');
});
