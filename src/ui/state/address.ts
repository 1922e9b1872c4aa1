// What a link says, after the "#" so that it reaches no server: which experiment and what differs from it, one setting
// a word, like `#v=1&experiment=kind-endings&seed=3&ppo.kl_coef=0&view=ppo&at=ppo@12`. A new meaning of any word takes
// a new version; links of every version open for ever (tests/fixtures/links).

import { PlaygroundError } from '../../shared/errors';
import { stageNames, type Experiment } from '../../shared/experiment';
import { STAGE_KINDS } from '../../shared/methods';
import { allowed, fits, type Setting, type SettingValue } from '../../shared/setting';
import { defaultStage, parseExperiment } from '../../shared/validate';
import { readSetting, sameValue, settingsAt, writeSetting, type Place } from '../lib/draft';
import type { PointInTime } from './session.svelte';

const VERSION = '1';

export interface Address {
  /** The experiment that ships under this name, null where the link names none. */
  experiment: string | null;
  /** An experiment file or recorded run elsewhere. */
  open: string | null;
  /** Kinds of stages, where no experiment that ships has them. */
  stages: string[] | null;
  /** What differs, by the name of the setting. */
  changes: Record<string, string>;
  /** PPO alone, from the recorded SFT and reward adapters. */
  from: 'ppo' | null;
  /** The station in focus. */
  view: string | null;
  at: PointInTime | null;
  /** Without its recording: nothing has run yet. */
  live: boolean;
  backend: 'webgpu' | 'wasm' | 'auto';
}

/** Where an experiment on the page came from: by name, from an address elsewhere, or neither. */
export type Origin = Pick<Address, 'experiment' | 'open' | 'from'>;

/** Reads the words after "#", and those after "?" that it does not have. Throws `bad-link`. */
export function parseAddress({ hash, search }: { hash: string; search: string }): Address {
  const words = new URLSearchParams(search);
  for (const [key, value] of new URLSearchParams(hash.replace(/^#/, ''))) words.set(key, value);
  const version = words.get('v') ?? VERSION;
  if (version !== VERSION) {
    throw bad(`The link is of version ${version}, and this page opens version ${VERSION}.`);
  }
  const backend = words.get('backend');
  const [, stage, step] = /^([\w-]+)@(\d+)$/.exec(words.get('at') ?? '') ?? [];
  return {
    experiment: words.get('experiment'),
    open: words.get('open'),
    stages: words.get('stages')?.split(',') ?? null,
    changes: Object.fromEntries([...words].filter(([key]) => key.includes('.') || TOP.includes(key))),
    from: words.get('from') === 'ppo' ? 'ppo' : null,
    view: words.get('view'),
    at: stage === undefined ? null : { stage, step: Number(step) },
    live: words.has('live'),
    backend: backend === 'webgpu' || backend === 'wasm' ? backend : 'auto',
  };
}

/** Settings of the experiment itself that a link may name. */
const TOP = ['seed', 'model'];

/** The words of an address, "#" included; as few as say it. */
export function writeAddress(address: Address): string {
  const { experiment, open, stages, changes, from, view, at, live, backend } = address;
  const words: [string, string | null][] = [
    ['v', VERSION],
    ['experiment', experiment],
    ['open', open],
    ['stages', stages?.join(',') ?? null],
    ['from', from],
    ...Object.entries(changes),
    ['view', view],
    ['at', at && `${at.stage}@${at.step}`],
    ['live', live ? '1' : null],
    ['backend', backend === 'auto' ? null : backend],
  ];
  return `#${words.flatMap(([key, value]) => (value === null ? [] : [`${key}=${escaped(value)}`])).join('&')}`;
}

/** Percent-encoded but for what a link may hold as it is and reads better. */
function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(/%(?:40|2C|3A|2F)/g, decodeURIComponent);
}

/** The settings of an experiment by the names that links have for them. */
function settingNames(experiment: Experiment): Map<string, { place: Place; setting: Setting }> {
  const names = stageNames(experiment.stages);
  const places: Place[] = ['experiment', 'lora', 'data', ...experiment.stages.keys()];
  return new Map(
    places.flatMap((place) =>
      settingsAt(experiment, place)
        .filter(({ type }) => type !== 'labeller')
        .map((setting) => {
          const before =
            typeof place === 'number' ? `${names[place]}.` : place === 'experiment' ? '' : `${place}.`;
          const within = setting.scope === 'labeller' ? 'labeller.' : '';
          return [`${before}${within}${setting.key}`, { place, setting }];
        }),
    ),
  );
}

/** What differs between two experiments of the same stages; null if their stages are not the same. */
export function differences(base: Experiment, draft: Experiment): Record<string, string> | null {
  if (stageNames(base.stages).join() !== stageNames(draft.stages).join()) return null;
  const changes: Record<string, string> = {};
  for (const [name, { place, setting }] of settingNames(draft)) {
    const value = readSetting(draft, place, setting);
    if (!sameValue(value, readSetting(base, place, setting))) changes[name] = showSetting(value);
  }
  return changes;
}

function showSetting(value: SettingValue | undefined): string {
  if (value === null || value === undefined) return '';
  const plain = Array.isArray(value) && value.every((item: string) => /^[\w.-]+$/.test(item));
  if (plain) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The experiment with the changes of a link. Throws `bad-link` naming the word that means nothing here. */
export function withDifferences(base: Experiment, changes: Record<string, string>): Experiment {
  const names = settingNames(base);
  let experiment = base;
  for (const [name, text] of Object.entries(changes)) {
    const found = names.get(name);
    if (!found) throw bad(`The link sets ${name}, and this experiment has no such setting.`);
    const { place, setting } = found;
    experiment = writeSetting(experiment, place, setting, readValue(setting, text, name));
  }
  // What was read must be an experiment as a file of it would be.
  return parseExperiment(JSON.stringify(experiment), 'The link').experiment;
}

function readValue(setting: Setting, text: string, name: string): SettingValue | undefined {
  const value = (): SettingValue | undefined => {
    if (text === '' && (setting.optional || setting.nullable)) return setting.optional ? undefined : null;
    if (setting.type === 'text' || setting.type === 'choice') return text;
    if (setting.type === 'texts' && !text.startsWith('[')) return text.split(',');
    try {
      return JSON.parse(text) as SettingValue;
    } catch {
      return undefined;
    }
  };
  const read = value();
  if (read === undefined ? setting.optional && text === '' : fits(setting, read)) return read;
  throw bad(`The link sets ${name} to “${text}”. It may be ${allowed(setting)}.`);
}

/** An experiment of these stages with every setting at its default. Throws `bad-link` for a stage there is not. */
export function plainExperiment(stages: readonly string[]): Experiment {
  const kinds = stages.map((name) => STAGE_KINDS.find((kind) => kind === name));
  const unknown = stages.find((_, i) => kinds[i] === undefined);
  if (unknown !== undefined) throw bad(`The link names a stage “${unknown}”, which this page does not have.`);
  const list = kinds.map((kind) => defaultStage(kind ?? 'sft'));
  const data = { eval_prompts: 'none' };
  const some = JSON.stringify({ format: 1, data, stages: [{ kind: 'evaluate' }] });
  return { ...parseExperiment(some, 'The link').experiment, data: {}, stages: list };
}

function bad(message: string): PlaygroundError {
  return new PlaygroundError(
    'bad-link',
    message,
    'Ask for the link again, or go on with what is shown here.',
  );
}
