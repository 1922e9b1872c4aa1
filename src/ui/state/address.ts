// What a link says, after the "#" so that it reaches no server: which experiment and what differs from it, one setting
// a word, like `#v=1&experiment=kind-endings&seed=3&ppo.kl_coef=0&view=ppo&at=ppo@12`. A new meaning of any word takes
// a new version; links of every version open for ever (tests/fixtures/links).

import { PlaygroundError } from '../../shared/errors';
import { BARE, stageNames, type Experiment } from '../../shared/experiment';
import { STAGE_KINDS } from '../../shared/methods';
import { allowed, fits, type Setting, type SettingValue } from '../../shared/setting';
import { settingsOf } from '../../shared/settings';
import { defaultStage, parseExperiment } from '../../shared/validate';
import { readSetting, sameValue, settingsAt, writeSetting, type Place } from '../lib/draft';
import type { PointInTime } from './session.svelte';

const VERSION = '1';

const BACKENDS = ['auto', 'webgpu', 'wasm'] as const;

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
  backend: (typeof BACKENDS)[number];
}

/** Where an experiment on the page came from: by name, from an address elsewhere, or neither. */
export type Origin = Pick<Address, 'experiment' | 'open' | 'from'>;

/** What a link says, and of each word in it that means nothing a sentence. */
export interface Reading {
  address: Address;
  faults: string[];
}

/** Words that are no settings. */
const WORDS = ['v', 'experiment', 'open', 'stages', 'from', 'view', 'at', 'live', 'backend'];

/** Settings of the experiment itself, whose words have no dot; its name goes with the experiment. */
const TOP = settingsOf('experiment')
  .map(({ key }) => key)
  .filter((key) => key !== 'name');

/** Reads the words after "#", and those after "?" that it does not have. Throws `bad-link` for another version. */
export function parseAddress({ hash, search }: { hash: string; search: string }): Reading {
  const own = new URLSearchParams(hash.replace(/^#/, ''));
  const words = new URLSearchParams(search);
  for (const [key, value] of own) words.set(key, value);
  const version = words.get('v') ?? VERSION;
  if (version !== VERSION) {
    throw badLink(`The link is of version ${version}, and this page opens version ${VERSION}.`);
  }
  const isSetting = (key: string): boolean => key.includes('.') || TOP.includes(key);
  // What stands after "?" may be anybody's.
  const faults = [...own.keys()]
    .filter((key) => !WORDS.includes(key) && !isSetting(key))
    .map((key) => `The word “${key}” means nothing in a link.`);
  const wrong = (key: string, may: string): null => {
    faults.push(`The link says ${key}=${words.get(key)}; it may be ${may}.`);
    return null;
  };
  const [, stage, step] = /^([\w-]+)@(\d+)$/.exec(words.get('at') ?? '') ?? [];
  const from = words.get('from');
  const backend = BACKENDS.find((name) => name === (words.get('backend') ?? 'auto'));
  return {
    address: {
      experiment: words.get('experiment'),
      open: words.get('open'),
      stages: words.get('stages')?.split(',') ?? null,
      changes: Object.fromEntries([...words].filter(([key]) => isSetting(key))),
      from: from === null || from === 'ppo' ? from : wrong('from', 'ppo'),
      view: words.get('view'),
      at:
        stage !== undefined
          ? { stage, step: Number(step) }
          : words.has('at')
            ? wrong('at', 'a stage and a step, like ppo@12')
            : null,
      live: words.has('live'),
      backend: backend ?? wrong('backend', BACKENDS.join(', ')) ?? 'auto',
    },
    faults,
  };
}

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

/** Rows, adapters and a model that the changes of a link name and only this browser has, or the run's own folder. */
export function filesBehind(changes: Record<string, string>): string[] {
  return Object.entries(changes).flatMap(([name, source]) => {
    const names = name === 'model' || name.startsWith('data.');
    const bare = name === 'data.sft_model_path' && source === BARE;
    return names && !bare && source !== '' && !/^(builtin|bundled|hf):/.test(source) ? [source] : [];
  });
}

function showSetting(value: SettingValue | undefined): string {
  if (value === null || value === undefined) return '';
  const plain = Array.isArray(value) && value.every((item: string) => /^[\w.-]+$/.test(item));
  if (plain) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The experiment with the changes of a link, and of each that it cannot have a sentence: the others hold. */
export function withDifferences(
  base: Experiment,
  changes: Record<string, string>,
): { experiment: Experiment; faults: string[] } {
  const names = settingNames(base);
  const faults: string[] = [];
  const good = Object.entries(changes).flatMap(([name, text]) => {
    const found = names.get(name);
    const value = found && readValue(found.setting, text);
    if (found && value) return { name, place: found.place, setting: found.setting, value: value.is };
    faults.push(
      found
        ? `The link sets ${name} to “${text}”. It may be ${allowed(found.setting)}.`
        : `The link sets ${name}, and this experiment has no such setting.`,
    );
    return [];
  });
  const set = (from: Experiment, some: typeof good): Experiment => {
    const all = some.reduce(
      (each, { place, setting, value }) => writeSetting(each, place, setting, value),
      from,
    );
    // What was read must be an experiment as a file of it would be.
    return parseExperiment(JSON.stringify(all), 'The link').experiment;
  };
  try {
    return { experiment: set(base, good), faults };
  } catch {
    // Two of them do not go together, or one is malformed within: the most that do are taken.
  }
  let experiment = base;
  let waiting = good;
  for (let before = -1; waiting.length !== before;) {
    before = waiting.length;
    waiting = waiting.filter((change) => {
      try {
        experiment = set(experiment, [change]);
        return false;
      } catch {
        return true;
      }
    });
  }
  const left = waiting.map(({ name }) => `What the link sets ${name} to does not go with the rest.`);
  return { experiment, faults: [...faults, ...left] };
}

/** The value that a text stands for, null where it stands for none that the setting may have. */
function readValue(setting: Setting, text: string): { is: SettingValue | undefined } | null {
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
  const is = value();
  return (is === undefined ? setting.optional && text === '' : fits(setting, is)) ? { is } : null;
}

/** An experiment of these stages with every setting at its default. Throws `bad-link` for a stage there is not. */
export function plainExperiment(stages: readonly string[]): Experiment {
  const kinds = stages.map((name) => STAGE_KINDS.find((kind) => kind === name));
  const unknown = stages.find((_, i) => kinds[i] === undefined);
  if (unknown !== undefined)
    throw badLink(`The link names a stage “${unknown}”, which this page does not have.`);
  const list = kinds.map((kind) => defaultStage(kind ?? 'sft'));
  const data = { eval_prompts: 'none' };
  const some = JSON.stringify({ format: 1, data, stages: [{ kind: 'evaluate' }] });
  return { ...parseExperiment(some, 'The link').experiment, data: {}, stages: list };
}

const FIX = 'Ask for the link again, or go on with what is shown here.';

export function badLink(message: string, fix = FIX): PlaygroundError {
  return new PlaygroundError('bad-link', message, fix);
}
