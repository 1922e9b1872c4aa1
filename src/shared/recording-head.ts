// Checks the first line of a recorded experiment: every field that is read anywhere, and of the first that is wrong it
// says where it stands. Fields nobody reads may be there. The way to a field is kept as steps, since a page checks
// thousands of fields before it shows anything and needs the words for one of them at most.

import type { PlaygroundError } from './errors';
import type { TokenColumns } from './protocol';

export interface StoredFile {
  path: string;
  length: number;
}

/** What the first line is, and the versions of it that this playground opens. */
export const KIND = 'recorded experiment';
const FORMATS: readonly number[] = [1];

type Fields = Record<string, unknown>;
type Check = (value: unknown) => void;
type Fail = (what: string, fix: string) => PlaygroundError;

/** Throws what `fail` makes of the first field that is wrong. */
export function checkHead(json: unknown, fail: Fail): void {
  new Checker(fail).head(json);
}

/** The fields of the line but for those about the file itself, and the files that follow it. The first recordings brought
 *  no rows along. */
export function fieldsOf(head: Fields): { fields: Fields; files: StoredFile[] } {
  const { experiment, model, metrics, samples, changes, report, adapters, rows = {}, pairs = [] } = head;
  return {
    fields: { experiment, model, metrics, samples, changes, report, rows, pairs },
    files: adapters as StoredFile[],
  };
}

class Checker {
  /** The way to the value that is looked at. */
  private readonly way: (string | number)[] = [];

  constructor(private readonly fail: Fail) {}

  head(json: unknown): void {
    const head = this.object(json);
    const { experiment, model, metrics, samples, changes, report, adapters, rows, pairs } = head;
    if (head['kind'] !== KIND) this.refuse(head['kind'], JSON.stringify(KIND), 'kind');
    if (!FORMATS.includes(head['format'] as number)) {
      const versions = `${FORMATS.join(' or ')}: the versions this playground opens`;
      this.refuse(head['format'], versions, 'format');
    }
    this.at('experiment', experiment, this.object);
    if (model !== null) this.at('model', model, this.model);
    if (report !== null) this.at('report', report, this.report);
    this.list('metrics', metrics, this.row);
    this.list('samples', samples, this.sample);
    this.list('changes', changes, this.change);
    this.list('adapters', adapters, this.file);
    if (rows !== undefined) this.each('rows', rows, this.firstRows);
    if (pairs !== undefined) this.list('pairs', pairs, this.pair);
  }

  private readonly model: Check = (value) => {
    const model = this.object(value);
    this.fields(model, ['name', 'architecture'], this.text);
    this.fields(model, ['parameters', 'vocabulary', 'context'], this.count);
  };

  private readonly row: Check = (value) => {
    const row = this.object(value);
    this.at('stage', row['stage'], this.text);
    this.at('step', row['step'], this.count);
    for (const key of Object.keys(row)) {
      const metric = row[key];
      if (typeof metric === 'number' || typeof metric === 'string') continue;
      this.refuse(metric, 'a number or a text', key);
    }
  };

  private readonly change: Check = (value) => {
    const change = this.object(value);
    this.fields(change, ['stage', 'key'], this.text);
    this.at('step', change['step'], this.count);
    if (change['value'] !== null) this.at('value', change['value'], this.number);
  };

  private readonly firstRows: Check = (value) => {
    const { total, rows, texts } = this.object(value);
    this.at('total', total, this.count);
    this.list('rows', rows, (row) => {
      const { line, fields } = this.object(row);
      this.at('line', line, this.count);
      this.at('fields', fields, this.object);
    });
    this.list('texts', texts, (each) => this.items(each, this.storedText));
  };

  private readonly storedText: Check = (value) => {
    const text = this.object(value);
    this.at('field', text['field'], this.text);
    this.list('tokens', text['tokens'], this.text);
    this.fields(text, ['prompt', 'kept'], this.count);
    this.list('ends', text['ends'], this.count);
  };

  private readonly pair: Check = (value) => {
    const pair = this.object(value);
    this.fields(pair, ['prompt', 'chosen', 'rejected'], this.text);
    for (const key of ['prompt_ids', 'chosen_ids', 'rejected_ids']) this.list(key, pair[key], this.count);
    this.at('flipped', pair['flipped'], this.flag);
  };

  private readonly file: Check = (value) => {
    const file = this.object(value);
    this.at('path', file['path'], this.text);
    this.at('length', file['length'], this.count);
  };

  private readonly sample: Check = (value) => {
    const sample = this.object(value);
    const { token_ids, tokens } = sample;
    this.fields(sample, ['checkpoint', 'prompt', 'completion'], this.text);
    this.at('seed', sample['seed'], this.count);
    this.list('token_ids', token_ids, this.count);
    this.optional(sample, ['kl', 'reward'], this.number);
    this.optional(sample, ['finished', 'happy'], this.flag);
    if (tokens === undefined) return;
    this.at('tokens', tokens, (columns) => this.tokens(columns, (token_ids as unknown[]).length));
  };

  private tokens(value: unknown, length: number): void {
    const columns = this.object(value) as Partial<Record<keyof TokenColumns, unknown>>;
    const column = (key: keyof TokenColumns, check: Check): void => {
      const list = columns[key];
      this.list(key, list, check);
      const { length: is } = list as unknown[];
      if (is !== length) this.refuse(is, `${length}, one for each of token_ids`, key, 'length');
    };
    column('text', this.text);
    column('logprob', this.number);
    column('ref_logprob', this.number);
    for (const key of ['reward', 'value', 'advantage', 'whitened', 'new_logprob'] as const) {
      if (columns[key] !== undefined) column(key, this.number);
    }
  }

  private readonly report: Check = (value) => {
    const report = this.object(value);
    this.fields(report, ['name', 'backend', 'device'], this.text);
    this.at('seed', report['seed'], this.count);
    this.each('seconds', report['seconds'], this.number);
    this.each('evaluation', report['evaluation'], this.intervals);
    this.each('comparisons', report['comparisons'], (comparison) => {
      const { win_rate, differences } = this.object(comparison);
      this.at('win_rate', win_rate, this.interval);
      if (differences !== undefined) this.at('differences', differences, this.intervals);
    });
    if (report['findings'] !== undefined) this.each('findings', report['findings'], this.intervals);
  };

  private readonly intervals: Check = (value) => {
    for (const [key, item] of Object.entries(this.object(value))) this.at(key, item, this.interval);
  };

  private readonly interval: Check = (value) =>
    this.fields(this.object(value), ['value', 'low', 'high'], this.number);

  private readonly text: Check = (value) => {
    if (typeof value !== 'string') this.refuse(value, 'a text');
  };

  private readonly number: Check = (value) => {
    if (typeof value !== 'number') this.refuse(value, 'a number');
  };

  private readonly flag: Check = (value) => {
    if (typeof value !== 'boolean') this.refuse(value, 'true or false');
  };

  private readonly count: Check = (value) => {
    if (!Number.isSafeInteger(value) || (value as number) < 0) this.refuse(value, 'a whole number from 0');
  };

  private readonly object = (value: unknown): Fields => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
    return this.refuse(value, 'an object');
  };

  private at(step: string | number, value: unknown, check: Check): void {
    this.way.push(step);
    check(value);
    this.way.pop();
  }

  private fields(of: Fields, keys: readonly string[], check: Check): void {
    for (const key of keys) this.at(key, of[key], check);
  }

  private optional(of: Fields, keys: readonly string[], check: Check): void {
    for (const key of keys) if (of[key] !== undefined) this.at(key, of[key], check);
  }

  private list(step: string, value: unknown, check: Check): void {
    this.at(step, value, (list) => this.items(list, check));
  }

  private items(value: unknown, check: Check): void {
    if (!Array.isArray(value)) return this.refuse(value, 'a list');
    for (let i = 0; i < value.length; i++) this.at(i, value[i], check);
  }

  private each(step: string, value: unknown, check: Check): void {
    this.at(step, value, (all) => {
      for (const [key, item] of Object.entries(this.object(all))) this.at(key, item, check);
    });
  }

  private refuse(value: unknown, expected: string, ...steps: string[]): never {
    const text = value === undefined ? 'missing' : JSON.stringify(value);
    const shown = text.length > 60 ? `${text.slice(0, 57)}…` : text;
    throw this.fail(`${wayInWords([...this.way, ...steps])} is ${shown}`, `It may be ${expected}.`);
  }
}

/** `samples[3].tokens.logprob[0]`, and `metrics[0]["loss/policy_avg"]` for a name that is no word. */
function wayInWords(way: readonly (string | number)[]): string {
  if (way.length === 0) return 'the first line';
  return way.reduce<string>((path, step) => {
    if (typeof step === 'number') return `${path}[${step}]`;
    return /^\w+$/.test(step) || path === '' ? `${path}${path && '.'}${step}` : `${path}["${step}"]`;
  }, '');
}
