// A model of another kind must come with layers it has, and a person's own choice must stay where it can. What is said
// of a model's size must be what its shape makes.

import { expect, it } from 'vitest';
import { presets as shapes } from '../../../tools/commands/model-presets';
import { ARCHITECTURES } from '../../model/architectures';
import { shapeFromConfig } from '../../model/shape';
import { layersOf, needs, PRESETS, targetsFor } from './presets';

const SHAPES: Record<string, keyof typeof shapes> = {
  'Stories Neo': 'stories-neo',
  'TinyStories 33M': 'tinystories-33m',
  'GPT-Neo 125M': 'gpt-neo-125m',
  'DistilGPT-2': 'distilgpt2',
  'GPT-2': 'gpt2',
  'Pythia 70M': 'pythia-70m',
  'SmolLM 135M': 'smollm-135m',
};
const MEGABYTES: Record<string, number> = {
  'TinyStories 33M': 291,
  'GPT-Neo 125M': 526,
  'DistilGPT-2': 353,
  'GPT-2': 548,
  'Pythia 70M': 166,
  'SmolLM 135M': 269,
};

it.each(PRESETS)('$label has the parameters and layers that its shape makes', (preset) => {
  const config: Record<string, unknown> = shapes[SHAPES[preset.label]!];
  const architecture = ARCHITECTURES.get(config['model_type'] as string)!;
  const shape = shapeFromConfig(architecture, architecture.parseConfig(config, 'config.json'));
  expect(preset.parameters).toBe(shape.parameters);
  const ends = new Set(shape.linears.map(({ name }) => name.split('.').at(-1)));
  expect([...ends].sort()).toEqual([...layersOf(preset.source)].sort());
  expect(preset.family.targets.filter((name) => !ends.has(name))).toEqual([]);
});

it('says the sizes that the hub shows', () => {
  for (const { label, download } of PRESETS)
    expect(Math.round(download / 1e6), label).toBe(MEGABYTES[label] ?? 0);
});

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
