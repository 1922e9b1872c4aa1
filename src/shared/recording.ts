// The recorded experiment: one file that holds a finished run, so that it can be looked at anywhere and gone on with.
// Its first line is JSON and all that a replay shows; the adapters follow, end to end. So a page that reads it as it
// comes has its picture before the weights have arrived. `head -n 1 FILE` shows the line.

import { PlaygroundError } from './errors';
import { stageNames, type Experiment } from './experiment';
import type {
  ChangeRow,
  Interval,
  MetricsRow,
  ModelReport,
  Report,
  SampleRow,
  TokenColumns,
} from './protocol';
import { parseExperiment } from './validate';

/** What a replay shows. */
export interface RecordedRun {
  experiment: Experiment;
  /** Null of a model nobody measured. */
  model: ModelReport | null;
  metrics: MetricsRow[];
  samples: SampleRow[];
  /** Settings that were changed while it was at work. */
  changes: ChangeRow[];
  /** Null of a run that has not finished. */
  report: Report | null;
}

export interface Recording {
  run: RecordedRun;
  /** PEFT files by their path below adapters/, like `sft/adapter_config.json`. */
  adapters: Map<string, Uint8Array>;
}

/** What the first line is, and the versions of it that this playground opens. */
const KIND = 'recorded experiment';
const FORMATS: readonly number[] = [1];

const NEWLINE = 10;

/** The bytes of a recorded experiment. */
export function writeRecording({ run, adapters }: Recording): Uint8Array {
  const files = Array.from(adapters, ([path, { length }]) => ({ path, length }));
  const head = new TextEncoder().encode(
    `${JSON.stringify({ format: 1, kind: KIND, ...run, adapters: files })}\n`,
  );
  const file = new Uint8Array(files.reduce((sum, { length }) => sum + length, head.length));
  file.set(head);
  let at = head.length;
  for (const bytes of adapters.values()) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/** Whether a file's beginning says that it is a recorded experiment, of whichever version. */
export function isRecording(bytes: Uint8Array): boolean {
  const start = new TextDecoder().decode(bytes.subarray(0, 200));
  return new RegExp(`^\\s*\\{[^{[]*"kind"\\s*:\\s*"${KIND}"`).test(start);
}

/**
 * What a replay shows, as soon as the first line is there; null until then. `source` names the file in messages.
 * Throws `bad-recording`, and `bad-experiment` for the experiment within.
 */
export function readRecordedRun(bytes: Uint8Array, source: string): RecordedRun | null {
  return bytes.includes(NEWLINE) ? readHead(bytes, source).run : null;
}

/** A whole recorded experiment. Throws as `readRecordedRun` does. */
export function readRecording(bytes: Uint8Array, source: string): Recording {
  const { run, files, end } = readHead(bytes, source);
  const adapters = new Map<string, Uint8Array>();
  let at = end;
  for (const { path, length } of files) adapters.set(path, bytes.slice(at, (at += length)));
  if (at === bytes.length) return { run, adapters };
  const has = bytes.length > at ? `${bytes.length - at} more` : `${at - bytes.length} fewer`;
  throw bad(source, `has ${has} bytes than its first line says`, 'It was not copied whole: get it again.');
}

function readHead(bytes: Uint8Array, source: string) {
  const newline = bytes.indexOf(NEWLINE);
  const end = newline < 0 ? bytes.length : newline + 1;
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  } catch {
    throw bad(source, 'begins with a line that is not JSON', 'Get the file again: it is damaged.');
  }
  const { fields, files } = new Reader(source).head(json);
  const { experiment } = parseExperiment(JSON.stringify(fields['experiment']), source);
  const run = { ...fields, experiment } as unknown as RecordedRun;
  checkNames(run, files, source);
  return { run, files, end };
}

/** Rows and adapters belong to stages of the experiment, or to adapters that stand in for one. */
function checkNames(
  { experiment, metrics }: RecordedRun,
  files: readonly StoredFile[],
  source: string,
): void {
  const stages = stageNames(experiment.stages);
  const known = [...stages, 'sft', 'reward', 'policy'];
  for (const [i, { stage }] of metrics.entries()) {
    if (!stages.includes(stage)) {
      const fix = `It may be one of: ${stages.join(', ')}.`;
      throw bad(source, `metrics[${i}].stage is ${JSON.stringify(stage)}`, fix);
    }
  }
  for (const [i, { path }] of files.entries()) {
    const [, stage = ''] =
      /^([\w-]+)\/(adapter_config\.json|adapter_model\.safetensors|reward_normalization\.json)$/.exec(path) ??
      [];
    if (!known.includes(stage)) {
      const fix = 'It may be STAGE/adapter_config.json and the like, the stage one of the experiment’s.';
      throw bad(source, `adapters[${i}].path is ${JSON.stringify(path)}`, fix);
    }
  }
}

interface StoredFile {
  path: string;
  length: number;
}

type Fields = Record<string, unknown>;
type Check = (value: unknown, path: string) => void;

/** Checks every field that is read anywhere, and names the one that is wrong. Fields nobody reads may be there. */
class Reader {
  constructor(private readonly source: string) {}

  head(json: unknown): { fields: Fields; files: StoredFile[] } {
    const head = this.object(json, 'the first line');
    if (head['kind'] !== KIND) this.refuse(head['kind'], 'kind', JSON.stringify(KIND));
    if (!FORMATS.includes(head['format'] as number)) {
      this.refuse(head['format'], 'format', `${FORMATS.join(' or ')}: the versions this playground opens`);
    }
    this.object(head['experiment'], 'experiment');
    const optional = (key: string, check: Check): void => {
      if (head[key] !== null) check(head[key], key);
    };
    optional('model', this.model);
    optional('report', this.report);
    this.list(head['metrics'], 'metrics', this.row);
    this.list(head['samples'], 'samples', this.sample);
    this.list(head['changes'], 'changes', (value, path) => {
      const change = this.object(value, path);
      for (const key of ['stage', 'key']) this.text(change[key], `${path}.${key}`);
      this.count(change['step'], `${path}.step`);
      if (change['value'] !== null) this.number(change['value'], `${path}.value`);
    });
    this.list(head['adapters'], 'adapters', (value, path) => {
      const { path: name, length } = this.object(value, path);
      this.text(name, `${path}.path`);
      this.count(length, `${path}.length`);
    });
    const { experiment, model, metrics, samples, changes, report, adapters } = head;
    return {
      fields: { experiment, model, metrics, samples, changes, report },
      files: adapters as StoredFile[],
    };
  }

  private readonly model: Check = (value, path) => {
    const { name, architecture, parameters, vocabulary, context } = this.object(value, path);
    this.text(name, `${path}.name`);
    this.text(architecture, `${path}.architecture`);
    this.count(parameters, `${path}.parameters`);
    this.count(vocabulary, `${path}.vocabulary`);
    this.count(context, `${path}.context`);
  };

  private readonly row: Check = (value, path) => {
    const { stage, step, ...metrics } = this.object(value, path);
    this.text(stage, `${path}.stage`);
    this.count(step, `${path}.step`);
    for (const [key, metric] of Object.entries(metrics)) {
      if (typeof metric !== 'number' && typeof metric !== 'string') {
        this.refuse(metric, `${path}["${key}"]`, 'a number or a text');
      }
    }
  };

  private readonly sample: Check = (value, path) => {
    const sample = this.object(value, path);
    for (const key of ['checkpoint', 'prompt', 'completion']) this.text(sample[key], `${path}.${key}`);
    this.count(sample['seed'], `${path}.seed`);
    this.list(sample['token_ids'], `${path}.token_ids`, this.count);
    for (const key of ['kl', 'reward']) {
      if (sample[key] !== undefined) this.number(sample[key], `${path}.${key}`);
    }
    for (const key of ['finished', 'happy']) {
      if (sample[key] !== undefined && typeof sample[key] !== 'boolean') {
        this.refuse(sample[key], `${path}.${key}`, 'true or false');
      }
    }
    if (sample['tokens'] !== undefined) {
      this.tokens(sample['tokens'], `${path}.tokens`, (sample['token_ids'] as unknown[]).length);
    }
  };

  private tokens(value: unknown, path: string, length: number): void {
    const columns = this.object(value, path) as Partial<Record<keyof TokenColumns, unknown>>;
    const column = (key: keyof TokenColumns, check: Check): void => {
      this.list(columns[key], `${path}.${key}`, check);
      const { length: is } = columns[key] as unknown[];
      if (is !== length) this.refuse(is, `${path}.${key}.length`, `${length}, one for each of token_ids`);
    };
    column('text', this.text);
    column('logprob', this.number);
    column('ref_logprob', this.number);
    for (const key of ['reward', 'value', 'advantage', 'whitened', 'new_logprob'] as const) {
      if (columns[key] !== undefined) column(key, this.number);
    }
  }

  private readonly report: Check = (value, path) => {
    const report = this.object(value, path);
    for (const key of ['name', 'backend', 'device']) this.text(report[key], `${path}.${key}`);
    this.count(report['seed'], `${path}.seed`);
    this.each(report['seconds'], `${path}.seconds`, this.number);
    this.each(report['evaluation'], `${path}.evaluation`, this.intervals);
    this.each(report['comparisons'], `${path}.comparisons`, (comparison, at) => {
      const { win_rate, differences } = this.object(comparison, at);
      this.interval(win_rate, `${at}.win_rate`);
      if (differences !== undefined) this.intervals(differences, `${at}.differences`);
    });
    if (report['findings'] !== undefined) this.each(report['findings'], `${path}.findings`, this.intervals);
  };

  private readonly intervals: Check = (value, path) => this.each(value, path, this.interval);

  private readonly interval: Check = (value, path) => {
    const interval = this.object(value, path) as Partial<Record<keyof Interval, unknown>>;
    for (const key of ['value', 'low', 'high'] as const) this.number(interval[key], `${path}.${key}`);
  };

  private readonly text: Check = (value, path) => {
    if (typeof value !== 'string') this.refuse(value, path, 'a text');
  };

  private readonly number: Check = (value, path) => {
    if (typeof value !== 'number') this.refuse(value, path, 'a number');
  };

  private readonly count: Check = (value, path) => {
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      this.refuse(value, path, 'a whole number from 0');
    }
  };

  private list(value: unknown, path: string, check: Check): void {
    if (!Array.isArray(value)) this.refuse(value, path, 'a list');
    else value.forEach((item, i) => check(item, `${path}[${i}]`));
  }

  private each(value: unknown, path: string, check: Check): void {
    for (const [key, item] of Object.entries(this.object(value, path))) check(item, `${path}.${key}`);
  }

  private object(value: unknown, path: string): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.refuse(value, path, 'an object');
    }
    return value as Fields;
  }

  private refuse(value: unknown, path: string, expected: string): never {
    const text = value === undefined ? 'missing' : JSON.stringify(value);
    const shown = text.length > 60 ? `${text.slice(0, 57)}…` : text;
    throw bad(this.source, `${path} is ${shown}`, `It may be ${expected}.`);
  }
}

function bad(source: string, what: string, fix: string): PlaygroundError {
  return new PlaygroundError('bad-recording', `${source}: ${what}.`, fix);
}
