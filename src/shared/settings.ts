// ONE table of every setting of an experiment: what it is, and what values it may have. The file's validation, its JSON
// Schema, the page's forms and tooltips and the types of the stages all come from it; experiment.ts's other types are
// held equal to it by settings.test.ts.
// Names are TRL's where TRL has one. Which settings a stage has, and their defaults there, says the method's row
// (methods.ts); outside of stages `in` says it. Ours are chosen for LoRA on small models (rates are far higher than for
// full fine-tuning of large ones), TRL's are read from its configs (TRL 1.10-dev) or from the transformers'
// TrainingArguments they inherit.

import { type Labeller, QUANTIZATIONS, type RewardSource } from './experiment';
import type { MethodSettings } from './method';
import { METHODS, methodOf, type StageKind } from './methods';
import type { Row, Scope, Setting } from './setting';
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
    choices: QUANTIZATIONS,
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
    doc: 'A fine-tuned adapter to start from, in place of running the SFT stage; base says that the bare model is meant.',
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
  },
  labeller: {
    label: 'Labeller',
    doc: 'Who says which completion of a pair is better.',
    type: 'labeller',
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
  },
  max_new_tokens: {
    label: 'Longest completion',
    doc: 'Tokens after which a completion is cut off if it has not ended by itself.',
    type: 'integer',
    range: { min: 1, max: 4096, scale: 'log' },
  },
  temperature: {
    label: 'Temperature',
    doc: 'Below 1 the model keeps to its likeliest words, above 1 it takes more risks.',
    type: 'number',
    range: { above: 0, max: 10, scale: 'log' },
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
/** `D`: the defaults in a method's row, which may hold choices of its own. */
type ValueOf<R, D = unknown> =
  | (R extends { choices: readonly (infer C)[] }
      ? C
      : R extends { choices: 'own' }
        ? D extends readonly [unknown, unknown, readonly (infer C)[]]
          ? C
          : string
        : R extends { type: keyof Values }
          ? Values[R['type']]
          : never)
  | (R extends { nullable: true } ? null : never);

/** What a stage holds whose row has these settings. */
export type Fields<S extends MethodSettings> = {
  -readonly [K in keyof S & SettingKey]: ValueOf<Table[K], S[K]>;
};

/** What an object of a scope holds. */
export type FieldsOf<S extends Scope> = S extends StageKind
  ? Fields<(typeof METHODS)[S]['settings']>
  : {
      -readonly [K in keyof Table as Table[K] extends { in: Record<S, unknown> } ? K : never]: ValueOf<
        Table[K]
      >;
    };

const made = new Map<Scope, readonly Setting[]>();

/** The settings of one scope, in the table's order, as a form shows them. */
export function settingsOf(scope: Scope): readonly Setting[] {
  const known = made.get(scope) ?? makeSettings(scope);
  made.set(scope, known);
  return known;
}

function makeSettings(scope: Scope): Setting[] {
  return (Object.entries(SETTINGS) as [SettingKey, Row][]).flatMap(([key, row]) => {
    const defaults = defaultsOf(key, row, scope);
    if (defaults === undefined) return [];
    const [ours, trl, choices] = defaults;
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
      default: ours,
      trl,
      range,
      scale: range.scale ?? 'linear',
      choices: choices ?? ('choices' in row && row.choices !== 'own' ? row.choices : []),
    } satisfies Setting;
  });
}

function defaultsOf(key: SettingKey, row: Row, scope: Scope) {
  if (!isKind(scope)) return row.in?.[scope];
  const { settings, trl } = methodOf(scope);
  const defaults = settings[key];
  if (defaults === undefined || trl !== null) return defaults;
  return [defaults[0], undefined, defaults[2]] as const;
}

const isKind = (scope: Scope): scope is StageKind => Object.hasOwn(METHODS, scope);
