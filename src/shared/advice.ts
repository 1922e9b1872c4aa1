// Advice speaks of settings by their keys ("Lower learning_rate or num_ppo_epochs."). Here is which settings a sentence
// names, and how a sentence is made that names none but those a stage can be given.

import { methodNamed } from './methods';
import { SETTINGS, type SettingKey, settingsOf } from './settings';

/** Keys that are also plain words are meant only where they are the labelled setting: "count" is, "model" is not. */
const PLAIN = ['count', 'beta', 'temperature', 'noise', 'baseline'];

const isNamed = (word: string): word is SettingKey =>
  Object.hasOwn(SETTINGS, word) && (word.includes('_') || PLAIN.includes(word));

/** The settings that a sentence names. */
export const settingsNamed = (sentence: string): SettingKey[] => [
  ...new Set(Array.from(sentence.matchAll(/[a-z][a-z_]+/g), ([word]) => word).filter(isNamed)),
];

/** What can be changed for any stage: the adapter, the pairs that a run collects, and who labels them. */
const BEFORE: ReadonlySet<string> = new Set(
  (['lora', 'labeller', 'pairs'] as const).flatMap((scope) => settingsOf(scope).map(({ key }) => key)),
);

/** Whether a setting can make a difference to a stage (by its name, `ppo-2`). An evaluation shows the outcome of all. */
export function canBeSet(key: SettingKey, stage: string): boolean {
  const method = methodNamed(stage);
  if (!method) return false;
  const looksBack = method.needs.some(({ what }) => what === 'eval_prompts');
  return key in method.settings || BEFORE.has(key) || looksBack;
}

/** What keeps a policy from going far. A beta does, with a reference as its price and without one since less of a lead is
 *  then enough; not where it drives. */
export const nearer = (stage: string): string[] =>
  methodNamed(stage)?.betaDrives ? [] : ['raise kl_coef', 'raise beta'];

/** "Raise beta, lower learning_rate or stop earlier.": those of the ways that the stage has settings for. */
export function advise(stage: string, ...ways: string[]): string {
  const open = ways.filter((way) => settingsNamed(way).every((key) => canBeSet(key, stage)));
  const last = open.pop() ?? 'go back to an earlier checkpoint';
  const told = open.length > 0 ? `${open.join(', ')} or ${last}` : last;
  return `${told.charAt(0).toUpperCase()}${told.slice(1)}.`;
}
