// The experiment a person is editing. A field names its place (which stage, or the experiment itself) and key; writing
// returns a new experiment, so that what runs is never changed under it. What a value may be is the table's to say.

import type { Experiment, RewardSource, Stage } from '../../shared/experiment';
import type { StageKind } from '../../shared/methods';
import { allowed, fits, type Setting, type SettingValue } from '../../shared/setting';
import { settingsOf } from '../../shared/settings';
import { defaultStage } from '../../shared/validate';

/** Where a setting stands: an index into the stages, or a part of the experiment outside them. */
export type Place = number | 'experiment' | 'lora' | 'data';

type Bag = Record<string, unknown>;

/** Settings to show for a place, the labeller's own folded into its stage. */
export function settingsAt(experiment: Experiment, place: Place): readonly Setting[] {
  if (typeof place !== 'number') return settingsOf(place).filter(({ key }) => key !== 'name');
  const stage = experiment.stages[place];
  if (!stage) return [];
  const own = settingsOf(stage.kind);
  return stage.kind === 'pairs' ? [...own, ...settingsOf('labeller')] : own;
}

function bagAt(experiment: Experiment, { scope }: Setting, place: Place): Bag {
  if (place === 'experiment') return { ...experiment };
  if (place === 'lora' || place === 'data') return { ...experiment[place] };
  const stage = experiment.stages[place];
  return { ...(scope === 'labeller' && stage?.kind === 'pairs' ? stage.labeller : stage) };
}

/** Value of a setting, undefined where it is left out. */
export function readSetting(
  experiment: Experiment,
  place: Place,
  setting: Setting,
): SettingValue | undefined {
  return bagAt(experiment, setting, place)[setting.key] as SettingValue | undefined;
}

/** The experiment with one setting changed; undefined leaves it out. */
export function writeSetting(
  experiment: Experiment,
  place: Place,
  setting: Setting,
  value: SettingValue | undefined,
): Experiment {
  const bag = bagAt(experiment, setting, place);
  if (value === undefined) Reflect.deleteProperty(bag, setting.key);
  else bag[setting.key] = value;
  if (place === 'experiment') return bag as unknown as Experiment;
  if (place === 'lora' || place === 'data') return { ...experiment, [place]: bag };
  const stages = experiment.stages.map((stage, i): Stage => {
    if (i !== place) return stage;
    return setting.scope === 'labeller' && stage.kind === 'pairs'
      ? { ...stage, labeller: { ...stage.labeller, ...bag } }
      : (bag as unknown as Stage);
  });
  return { ...experiment, stages };
}

/** The experiment with another method in the place of a stage, its settings at their defaults; the reward stays. */
export function withMethod(experiment: Experiment, at: number, kind: StageKind): Experiment {
  const stage: Bag = { ...defaultStage(kind) };
  const before = experiment.stages[at];
  if (before && 'reward' in before && 'reward' in stage) stage['reward'] = before.reward;
  return { ...experiment, stages: experiment.stages.with(at, stage as unknown as Stage) };
}

/** The experiment with an adapter to start from in the place of its SFT stage; with none, and the stage that stood there
 *  in `shipped`. */
export function startingFrom(
  experiment: Experiment,
  adapter: string | null,
  shipped: Experiment,
): Experiment {
  const data = { ...experiment.data };
  delete data.sft_model_path;
  const others = experiment.stages.filter(({ kind }) => kind !== 'sft');
  if (adapter !== null) return { ...experiment, data: { ...data, sft_model_path: adapter }, stages: others };
  const sft = shipped.stages.filter(({ kind }) => kind === 'sft');
  const stands = others.length < experiment.stages.length;
  return { ...experiment, data, stages: stands ? experiment.stages : [...sft, ...others] };
}

/** The models, or the adapters, of a person's own that an experiment reads. */
export function ownSources({ model, data }: Experiment, kind: 'model' | 'adapter'): string[] {
  const { sft_model_path, reward_model_path, policy_model_path } = data;
  const sources = kind === 'model' ? [model] : [sft_model_path, reward_model_path, policy_model_path];
  return sources.flatMap((source) => (source?.startsWith('own:') ? [source] : []));
}

/** Whether two values of a setting are the same. */
export function sameValue(a: SettingValue | undefined, b: SettingValue | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What a text field shows for a value; null, which switches a setting off, is an empty field. */
export function showValue(value: SettingValue | undefined): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** What a person typed, as a value of the setting, or the message that says what it may be. */
export function parseValue(
  setting: Setting,
  text: string,
): { value: SettingValue | undefined } | { problem: string } {
  const typed = text.trim();
  const value = typedValue(setting, typed);
  if (value === undefined && setting.optional) return { value };
  return value !== undefined && fits(setting, value)
    ? { value }
    : { problem: `${setting.label} may be ${allowed(setting).replace('null (off)', 'empty (off)')}.` };
}

function typedValue({ type, nullable }: Setting, typed: string): SettingValue | undefined {
  if (typed === '') return nullable ? null : undefined;
  if (type === 'number' || type === 'integer') return Number(typed.replace(',', '.').replace('\u2212', '-'));
  if (type === 'texts') return typed.split(',').map((part) => part.trim());
  return typed;
}

/** A reward source in a few words. */
export function describeReward(source: RewardSource): string {
  switch (source.kind) {
    case 'model':
      return 'the reward model';
    case 'rule':
      return `the rule “${source.name}”`;
    case 'tokens':
      return 'weights of tokens';
  }
}
