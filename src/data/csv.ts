// CSV as RFC 4180 has it: quoted fields may hold commas, line breaks and doubled quotes; lines end in CRLF or LF.

import { PlaygroundError } from '../shared/errors';

export interface CsvRow {
  /** The line of the file the row begins on, from 1. */
  line: number;
  fields: Record<string, string>;
}

/** Reads a CSV with a header line. Throws PlaygroundError('bad-data') naming source and line. */
export function parseCsv(text: string, source: string): CsvRow[] {
  const [header, ...records] = splitCsv(text, source);
  if (header === undefined)
    throw bad(source, 1, 'the file is empty', 'Give a header line and rows below it.');
  const names = header.values;
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw bad(
      source,
      1,
      `two columns are called ${JSON.stringify(twice)}`,
      'Give each column a name of its own.',
    );
  }
  return records.map(({ line, values }) => {
    if (values.length !== names.length) {
      throw bad(
        source,
        line,
        `the row has ${values.length} fields, the header ${names.length}`,
        'Give every row as many fields as the header has, and quote fields that hold commas or line breaks.',
      );
    }
    return { line, fields: Object.fromEntries(names.map((name, i) => [name, values[i]!])) };
  });
}

interface CsvRecord {
  line: number;
  values: string[];
}

function splitCsv(text: string, source: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    const record: CsvRecord = { line, values: [] };
    for (;;) {
      const { value, end } = text[at] === '"' ? quotedField(text, at, source, line) : plainField(text, at);
      record.values.push(value);
      line += text.slice(at, end).split('\n').length - 1;
      at = end;
      if (text[at] !== ',') break;
      at++;
    }
    // At a line break or the end: both kinds of field stop nowhere else.
    if (at < text.length) at += text[at] === '\r' ? 2 : 1;
    line++;
    records.push(record);
  }
  return records;
}

interface Field {
  value: string;
  /** Where the comma, line break or end of the text after it stands. */
  end: number;
}

function quotedField(text: string, start: number, source: string, line: number): Field {
  const fail = (what: string): never => {
    throw bad(
      source,
      line,
      what,
      'Close the quote at the end of the field, and double every quote inside it.',
    );
  };
  let value = '';
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return fail('a quoted field begins on this line and never ends');
    value += text.slice(at, quote);
    at = quote + 1;
    if (text[at] !== '"') break;
    value += '"';
    at++;
  }
  const after = text.slice(at, at + 2);
  if (after !== '' && after[0] !== ',' && after[0] !== '\n' && after !== '\r\n') {
    return fail(`${JSON.stringify(after[0])} follows the closing quote of a field that begins on this line`);
  }
  return { value, end: at };
}

/** Quotes inside a plain field are kept as they are. */
function plainField(text: string, start: number): Field {
  let end = start;
  while (end < text.length && text[end] !== ',' && text[end] !== '\n') end++;
  if (text[end] === '\n' && end > start && text[end - 1] === '\r') end--;
  return { value: text.slice(start, end), end };
}

function bad(source: string, line: number, what: string, fix: string): PlaygroundError {
  return new PlaygroundError('bad-data', `${source}, line ${line}: ${what}.`, fix);
}
