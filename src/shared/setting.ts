// The shape of one row of the settings table and what follows from it alone: what a value may be, in words, and
// whether a value is that. The table itself is settings.ts.

import type { Labeller, RewardSource } from './experiment';
import type { StageKind } from './methods';

/** Where in an experiment file a setting stands, outside of stages. */
export type Place = 'experiment' | 'lora' | 'data' | 'labeller';
export type Scope = Place | StageKind;

export type SettingValue = number | boolean | string | readonly string[] | Labeller | RewardSource | null;

/** `above` and `below` exclude the bound, `min` and `max` include it; `scale` is how a slider should move. */
export interface Range {
  min?: number;
  above?: number;
  max?: number;
  below?: number;
  scale?: 'log';
}

/** Our default, then TRL's where TRL has the setting; an empty entry may be left out of the file. */
type Defaults =
  readonly [] | readonly [ours: SettingValue, trl?: SettingValue | undefined, choices?: readonly string[]];

interface RowBase {
  label: string;
  /** One sentence for a learner. */
  doc: string;
  advanced?: true;
  /** Read afresh at every step, so that a change holds for the rest of a run. */
  now?: true;
  nullable?: true;
  /** Where it stands outside of stages; a stage's settings are named in its method's row. */
  in?: { readonly [P in Place]?: Defaults };
}

export type Row = RowBase &
  (
    | { type: 'number' | 'integer'; range: Range }
    /** `own`: each method has its own. */
    | { type: 'choice'; choices: readonly string[] | 'own' }
    | { type: 'boolean' | 'text' | 'texts' | 'labeller' | 'reward' }
  );

/** A row of the table as it stands in one scope: what a form field, a tooltip or a validator needs. */
export interface Setting {
  key: string;
  scope: Scope;
  type: Row['type'];
  label: string;
  doc: string;
  level: 'common' | 'advanced';
  applies: 'now' | 'next run';
  /** May be null, which switches it off. */
  nullable: boolean;
  /** May be left out, and then has no value at all (the entries of `data`). */
  optional: boolean;
  /** Ours, undefined when optional. */
  default: SettingValue | undefined;
  /** TRL's default (Hugging Face's Trainer or PEFT where TRL inherits it), undefined where TRL has no such setting. */
  trl: SettingValue | undefined;
  /** Empty for anything but numbers. */
  range: Range;
  scale: 'linear' | 'log';
  /** Empty for anything but choices. */
  choices: readonly string[];
}

/** What the setting may be, as the end of the sentence "it may be …". */
export function allowed(setting: Setting): string {
  return setting.nullable ? `${allowedKind(setting)}, or null (off)` : allowedKind(setting);
}

function allowedKind({ type, range, choices }: Setting): string {
  switch (type) {
    case 'number':
    case 'integer': {
      const { min, above, max, below } = range;
      const lowest = above !== undefined ? `above ${above}` : min !== undefined ? `at least ${min}` : '';
      const highest = below !== undefined ? `below ${below}` : max !== undefined ? `at most ${max}` : '';
      const bounds = [lowest, highest].filter(Boolean).join(' and ');
      return [type === 'integer' ? 'a whole number' : 'a number', bounds].filter(Boolean).join(' ');
    }
    case 'choice':
      return choices.map((choice) => JSON.stringify(choice)).join(' or ');
    case 'boolean':
      return 'true or false';
    case 'text':
      return 'a text that is not empty';
    case 'texts':
      return 'a list of different texts, at least one';
    case 'labeller':
      return 'a labeller like {"kind": "rule", "name": "…", "noise": 0.1}';
    case 'reward':
      return '{"kind": "model"}, {"kind": "rule", "name": "…"} or {"kind": "tokens", "weights": {" word": 1}}';
  }
}

/** Whether a value taken from JSON is what `allowed` says; labellers and rewards are only seen to be objects. */
export function fits(setting: Setting, value: unknown): boolean {
  const { type, range, choices } = setting;
  if (value === null) return setting.nullable;
  switch (type) {
    case 'number':
    case 'integer': {
      if (typeof value !== 'number' || !Number.isFinite(value)) return false;
      if (type === 'integer' && !Number.isSafeInteger(value)) return false;
      const { min = -Infinity, above = -Infinity, max = Infinity, below = Infinity } = range;
      return value >= min && value > above && value <= max && value < below;
    }
    case 'choice':
      return typeof value === 'string' && choices.includes(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'text':
      return isText(value);
    case 'texts':
      return (
        Array.isArray(value) &&
        value.length > 0 &&
        value.every(isText) &&
        new Set(value).size === value.length
      );
    case 'labeller':
    case 'reward':
      return typeof value === 'object' && !Array.isArray(value);
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}
