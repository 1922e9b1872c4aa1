// ONE table of every setting of an experiment. The file's validation, its JSON Schema, the page's forms and tooltips,
// the export to TRL and the types of the stages all come from it; experiment.ts's other types are held equal to it by
// settings.test.ts.
// Names are TRL's where TRL has one. `in` gives for each scope our default, chosen for LoRA on small models (rates are
// far higher than for full fine-tuning of large ones), then TRL's: read from its configs (TRL 1.10-dev: SFTConfig,
// RewardConfig, PPOConfig, ModelConfig) or from the transformers' TrainingArguments they inherit.

import type { Labeller, RewardSource } from './experiment';
import { family } from './methods';
import { each, type Row, type Scope, type Setting } from './setting';
import { PPO_SETTINGS } from './settings-ppo';
import { PREFERENCE_SETTINGS } from './settings-preference';
import { SAMPLING_SETTINGS } from './settings-sampling';
import { TRAINING_SETTINGS } from './settings-training';

export const SETTINGS = {
  name: {
    label: 'Name',
    doc: 'What the experiment is called in lists and reports.',
    type: 'text',
    in: { experiment: ['experiment'] },
  },
  model: {
    label: 'Model',
    doc: 'The base model: bundled:NAME, hf:OWNER/NAME, or a directory in Hugging Face layout.',
    type: 'text',
    in: { experiment: ['bundled:stories-neo', null] },
  },
  seed: {
    label: 'Seed',
    doc: 'Every random choice follows from this number: same seed and device, same run.',
    type: 'integer',
    range: { min: 0, max: 4294967295 },
    in: { experiment: [1, 42] },
  },
  quantization: {
    label: 'Base weights',
    doc: 'How the frozen weights are kept: smaller ones leave room for longer sequences and are less exact.',
    type: 'choice',
    choices: ['none', 'float16', 'int8', 'nf4'],
    advanced: true,
    in: { experiment: ['none', null] },
  },
  gradient_checkpointing: {
    label: 'Compute twice, keep less',
    doc: 'Keeps each block’s input alone while training and computes the rest again: slower, with far less memory.',
    type: 'choice',
    choices: ['auto', 'on', 'off'],
    advanced: true,
    in: { experiment: ['auto', 'on'] },
  },

  use_peft: {
    label: 'Train an adapter',
    doc: 'A small adapter learns beside frozen weights; switched off, every weight of the model is trained.',
    type: 'boolean',
    advanced: true,
    in: { lora: [true, false] },
  },
  r: {
    label: 'LoRA rank',
    doc: 'How many directions each adapted layer may change in: higher learns more and weighs more.',
    type: 'integer',
    range: { min: 1, max: 256, scale: 'log' },
    in: { lora: [8, 16] },
  },
  lora_alpha: {
    label: 'LoRA alpha',
    doc: 'Strength of the adapter: its output is multiplied by alpha / rank.',
    type: 'number',
    range: { above: 0, max: 1024, scale: 'log' },
    in: { lora: [16, 32] },
  },
  lora_dropout: {
    label: 'LoRA dropout',
    doc: 'Share of the adapter’s inputs dropped at random while training; it works against learning by heart.',
    type: 'number',
    range: { min: 0, below: 1 },
    advanced: true,
    in: { lora: [0, 0.05] },
  },
  target_modules: {
    label: 'Adapted layers',
    doc: 'Names of the linear layers that get an adapter, matched at the end of the layer’s full name.',
    type: 'texts',
    in: { lora: [['q_proj', 'v_proj'], null] },
  },
  use_rslora: {
    label: 'Rank-stabilised',
    doc: 'Divides alpha by the root of the rank in place of the rank, so that high ranks still learn.',
    type: 'boolean',
    advanced: true,
    in: { lora: [false, false] },
  },
  use_dora: {
    label: 'Weight-decomposed',
    doc: 'DoRA: each adapted output gets a length of its own to train, beside the direction that LoRA turns.',
    type: 'boolean',
    advanced: true,
    in: { lora: [false, false] },
  },

  text: {
    label: 'Text',
    doc: 'Documents to learn the language from: rows of text, or a .txt whose documents are parted by empty lines.',
    type: 'text',
    advanced: true,
    in: { data: [] },
  },
  sft: {
    label: 'Demonstrations',
    doc: 'Rows of prompt and completion for the model to imitate.',
    type: 'text',
    in: { data: [] },
  },
  prompts: {
    label: 'Prompts',
    doc: 'Prompts the model completes while pairs are collected and while PPO trains.',
    type: 'text',
    in: { data: [] },
  },
  eval_prompts: {
    label: 'Evaluation prompts',
    doc: 'Prompts kept apart from all training, on which every stage is compared.',
    type: 'text',
    in: { data: [] },
  },
  preferences: {
    label: 'Preference pairs',
    doc: 'Rows of a chosen and a rejected completion; they replace the pairs the run would collect itself.',
    type: 'text',
    in: { data: [] },
  },
  sft_model_path: {
    label: 'SFT adapter',
    doc: 'A fine-tuned adapter to start from, in place of running the SFT stage.',
    type: 'text',
    advanced: true,
    in: { data: [] },
  },
  reward_model_path: {
    label: 'Reward adapter',
    doc: 'A trained reward model to score with, in place of running the reward stage.',
    type: 'text',
    advanced: true,
    in: { data: [] },
  },
  policy_model_path: {
    label: 'Policy adapter',
    doc: 'An adapter that the first method after SFT goes on from; the reference it is held to stays the SFT adapter.',
    type: 'text',
    advanced: true,
    in: { data: [] },
  },

  ...TRAINING_SETTINGS,

  count: {
    label: 'Pairs',
    doc: 'How many pairs of completions are sampled and labelled.',
    type: 'integer',
    range: { min: 1, max: 100000, scale: 'log' },
    in: { pairs: [1000] },
  },
  labeller: {
    label: 'Labeller',
    doc: 'Who says which completion of a pair is better.',
    type: 'labeller',
    in: { pairs: [{ kind: 'rule', name: 'feeling-words', noise: 0.1 }] },
  },
  noise: {
    label: 'Label noise',
    doc: 'Probability that a label is flipped, as people, too, disagree with themselves.',
    type: 'number',
    range: { min: 0, max: 0.5 },
    in: { labeller: [0.1] },
  },
  samples_per_prompt: {
    label: 'Samples a prompt',
    doc: 'Completions of each evaluation prompt; more of them make the intervals narrower.',
    type: 'integer',
    range: { min: 1, max: 64 },
    in: { evaluate: [4] },
  },
  max_new_tokens: {
    label: 'Longest completion',
    doc: 'Tokens after which a completion is cut off if it has not ended by itself.',
    type: 'integer',
    range: { min: 1, max: 4096, scale: 'log' },
    in: { pairs: [40], online_dpo: [40, 64], rft: [40], evaluate: [40] },
  },
  temperature: {
    label: 'Temperature',
    doc: 'Below 1 the model keeps to its likeliest words, above 1 it takes more risks.',
    type: 'number',
    range: { above: 0, max: 10, scale: 'log' },
    in: { pairs: [1], ppo: [1, 0.7], ...each(family('sampling'), [1, 1]), evaluate: [1] },
  },

  ...PPO_SETTINGS,
  ...PREFERENCE_SETTINGS,
  ...SAMPLING_SETTINGS,
} as const satisfies Record<string, Row>;

export type SettingKey = keyof typeof SETTINGS;

type Table = typeof SETTINGS;
interface Values {
  number: number;
  integer: number;
  boolean: boolean;
  text: string;
  texts: string[];
  labeller: Labeller;
  reward: RewardSource;
}
type ValueOf<R, S extends Scope> =
  | (R extends { choices: readonly (infer C)[] }
      ? C
      : R extends { choices: Record<S, readonly (infer C)[]> }
        ? C
        : R extends { type: keyof Values }
          ? Values[R['type']]
          : never)
  | (R extends { nullable: true } ? null : never);

/** What an object of a scope holds. */
export type FieldsOf<S extends Scope> = {
  -readonly [K in keyof Table as Table[K]['in'] extends Record<S, unknown> ? K : never]: ValueOf<Table[K], S>;
};

/** The settings of one scope, in the table's order, as a form shows them. */
export function settingsOf(scope: Scope): Setting[] {
  return (Object.entries(SETTINGS) as [SettingKey, Row][]).flatMap(([key, row]) => {
    const defaults = row.in[scope];
    if (defaults === undefined) return [];
    const range = 'range' in row ? row.range : {};
    return {
      key,
      scope,
      type: row.type,
      label: row.label,
      doc: row.doc,
      level: row.advanced ? 'advanced' : 'common',
      applies: row.now ? 'now' : 'next run',
      nullable: row.nullable ?? false,
      optional: defaults.length === 0,
      default: defaults[0],
      trl: defaults[1],
      range,
      scale: range.scale ?? 'linear',
      choices: choicesOf(row, scope),
    } satisfies Setting;
  });
}

function choicesOf(row: Row, scope: Scope): readonly string[] {
  if (!('choices' in row)) return [];
  const isList = (choices: typeof row.choices): choices is readonly string[] => Array.isArray(choices);
  return isList(row.choices) ? row.choices : (row.choices[scope] ?? []);
}
