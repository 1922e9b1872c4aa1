// Rows of data files, in TRL's columns: `prompt`, `completion`, `chosen`, `rejected`, `margin`, `label`, or `text` alone;
// for the texts also `…_ids` in their place, token ids that are used as they are. JSONL, or by the end of the name: .csv,
// and .txt for plain text whose documents are parted by empty lines. A row that is not what was asked for is refused by
// line and field; nothing is skipped in silence.

import { PlaygroundError } from '../shared/errors';
import { parseJson } from '../shared/json';
import { parseCsv } from './csv';

/** A text, or token ids taken as they are. */
export type Part = string | readonly number[];

export interface PromptRow {
  /** The line of the file the row begins on, from 1. */
  line: number;
  /** All fields as they stood in the file. */
  fields: Readonly<Record<string, unknown>>;
  /** The row as it was written, where that is JSON. */
  written?: string;
  prompt: Part;
}

export interface CompletionRow extends PromptRow {
  completion: Part;
}

export interface PreferenceRow extends PromptRow {
  chosen: Part;
  rejected: Part;
  /** By how much the chosen side is to lead in score, where the row says so. */
  margin?: number;
}

export interface LabelledRow extends CompletionRow {
  label: boolean;
}

export interface TextRow {
  line: number;
  text: Part;
}

/** TRL's names of the types of data set; `any-preference`, for who can use both, is a file of either. */
export interface RowTypes {
  'prompt-only': PromptRow;
  'prompt-completion': CompletionRow;
  preference: PreferenceRow;
  'unpaired-preference': LabelledRow;
  'any-preference': PreferenceRow | LabelledRow;
  'language-modeling': TextRow;
}

/** Reads a data file. `source` names it in messages. Throws PlaygroundError('bad-data'). */
export function parseRows<T extends keyof RowTypes>(text: string, source: string, type: T): RowTypes[T][] {
  return rawRows(text, source).map((row) => readRow(row, source, type));
}

/** The rows as they stand. `guard` is given each line to read, and may catch what it throws, which leaves the line out. */
export function rawRows(
  text: string,
  source: string,
  guard: (line: number, read: () => RawRow) => RawRow | null = (_, read) => read(),
): RawRow[] {
  if (source.toLowerCase().endsWith('.txt')) return paragraphs(text, source);
  const isCsv = source.toLowerCase().endsWith('.csv');
  const lines = isCsv ? [] : jsonLines(text);
  if (!isCsv && lines.length > 0) {
    return lines.flatMap((content, i) => guard(i + 1, () => jsonRow(content, source, i + 1)) ?? []);
  }
  const rows = isCsv ? parseCsv(text, source) : [];
  if (rows.length > 0) return rows;
  throw new PlaygroundError('bad-data', `${source} has no rows.`, 'Give a file with one JSON object a line.');
}

/** Plain text as rows of one column. */
function paragraphs(text: string, source: string): RawRow[] {
  const rows: RawRow[] = [];
  let line = 1;
  for (const part of text.replace(/^\uFEFF/, '').split(/((?:\r?\n[^\S\n]*){2,})/)) {
    if (part.trim() !== '') rows.push({ line, fields: { text: part } });
    line += part.split('\n').length - 1;
  }
  if (rows.length > 0) return rows;
  throw new PlaygroundError('bad-data', `${source} holds no text.`, 'Give a file with some text in it.');
}

/** One row as its type. Throws PlaygroundError('bad-data') naming line and field. */
export function readRow<T extends keyof RowTypes>(row: RawRow, source: string, type: T): RowTypes[T] {
  return READERS[type](new FieldReader(row, source));
}

const READERS: { [T in keyof RowTypes]: (row: FieldReader) => RowTypes[T] } = {
  'prompt-only': (row) => row.base(),
  'prompt-completion': (row) => ({ ...row.base(), completion: row.completion('completion') }),
  preference: (row) => ({
    ...(row.has('prompt')
      ? { ...row.base(), chosen: row.completion('chosen'), rejected: row.completion('rejected') }
      : row.implicitPreference()),
    ...row.margin(),
  }),
  'unpaired-preference': (row) => ({
    ...row.base(),
    completion: row.completion('completion'),
    label: row.label(),
  }),
  'any-preference': (row) =>
    READERS[row.has('label') || row.has('completion') ? 'unpaired-preference' : 'preference'](row),
  'language-modeling': (row) => row.whole(),
};

export interface RawRow {
  line: number;
  fields: Record<string, unknown>;
  written?: string;
}

/** A line break may end the last. */
function jsonLines(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  if (lines[lines.length - 1]?.trim() === '') lines.pop();
  return lines;
}

/** One JSON object. */
function jsonRow(content: string, source: string, line: number): RawRow {
  if (content.trim() === '') {
    throw new PlaygroundError('bad-data', `${source}, line ${line} is empty.`, 'Remove the line.');
  }
  const value = parseLine(content, source, line);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PlaygroundError(
      'bad-data',
      `${source}, line ${line} is ${show(value)}, not an object.`,
      'Write each row as one object on one line, like {"prompt": "…", "completion": "…"}.',
    );
  }
  return { line, fields: value as Record<string, unknown>, written: content };
}

/** The quick parser first; ours, which says what is wrong and where, only when it fails. */
function parseLine(content: string, source: string, line: number): unknown {
  try {
    return JSON.parse(content) as unknown;
  } catch {
    return parseJson(content, source, 'bad-data', line);
  }
}

class FieldReader {
  constructor(
    private readonly row: RawRow,
    private readonly source: string,
  ) {}

  has(name: string): boolean {
    return Object.hasOwn(this.row.fields, name) || Object.hasOwn(this.row.fields, `${name}_ids`);
  }

  base(): PromptRow {
    return { ...this.row, prompt: this.part('prompt') };
  }

  whole(): TextRow {
    return { line: this.row.line, text: this.completion('text') };
  }

  completion(name: string): Part {
    const part = this.part(name);
    const column = typeof part === 'string' ? name : `${name}_ids`;
    if (part.length === 0) this.fail(column, 'is empty', 'Fill it, or remove the row.');
    return part;
  }

  label(): boolean {
    const value = this.row.fields['label'];
    // A CSV holds texts only.
    if (value === true || value === 'true' || value === 'True') return true;
    if (value === false || value === 'false' || value === 'False') return false;
    return this.fail(
      'label',
      value === undefined ? 'is missing' : `is ${show(value)}`,
      'It may be true or false.',
    );
  }

  /** Nothing where the row has none. */
  margin(): { margin?: number } {
    const value = this.row.fields['margin'];
    if (value === undefined) return {};
    // A CSV holds texts only.
    const margin = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof margin === 'number' && Number.isFinite(margin)) return { margin };
    return this.fail('margin', `is ${show(value)}`, 'It may be a number; without one, take the column out.');
  }

  /** Two whole texts that begin alike: the prompt is what they share, up to the last space before they part. */
  implicitPreference(): PreferenceRow {
    const chosen = this.completion('chosen');
    const rejected = this.completion('rejected');
    const shared = sharedLength(chosen, rejected);
    return {
      ...this.row,
      prompt: chosen.slice(0, shared),
      chosen: chosen.slice(shared),
      rejected: rejected.slice(shared),
    };
  }

  /** `name_ids` if it is there, else `name`. */
  private part(name: string): Part {
    const { fields } = this.row;
    const idsName = `${name}_ids`;
    if (Object.hasOwn(fields, idsName)) {
      const ids = fields[idsName];
      if (Array.isArray(ids) && ids.every((id) => Number.isSafeInteger(id) && id >= 0))
        return ids as number[];
      return this.fail(idsName, `is ${show(ids)}`, 'It may be a list of token ids, whole numbers from 0 up.');
    }
    const text = fields[name];
    if (typeof text === 'string') return text;
    if (text !== undefined) return this.fail(name, `is ${show(text)}`, 'It may be a text.');
    const columns = Object.keys(fields).map((key) => JSON.stringify(key));
    return this.fail(
      name,
      `is missing (the row has ${columns.join(', ') || 'no fields'})`,
      `Rename or add the column "${name}".`,
    );
  }

  private fail(field: string, what: string, fix: string): never {
    throw new PlaygroundError('bad-data', `${this.source}, line ${this.row.line}: "${field}" ${what}.`, fix);
  }
}

/**
 * How much of two texts (or lists of ids) is their common beginning, leaving each at least one element. In texts it
 * ends before a space of both, so that no word and no token is cut.
 */
function sharedLength(a: Part, b: Part): number {
  const most = Math.min(a.length, b.length) - 1;
  let shared = 0;
  while (shared < most && a[shared] === b[shared]) shared++;
  if (typeof a !== 'string' || typeof b !== 'string') return shared;
  while (shared > 0 && !(/\s/.test(a.charAt(shared)) && /\s/.test(b.charAt(shared)))) shared--;
  return shared;
}

function show(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
