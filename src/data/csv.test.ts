import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlaygroundError } from '../shared/errors';
import { parseCsv } from './csv';

const quote = (value: string): string => `"${value.replaceAll('"', '""')}"`;

const character = fc.constantFrom('a', 'é', '😀', ' ', '"', ',', '\n', '\r', '\0', '\uFEFF');

describe('parseCsv', () => {
  test('reads quotes, commas and line breaks inside fields, and tells the line each row begins on', () => {
    const text = 'prompt,completion\r\n"a, ""b""\nc",d\r\n e ,"f\r\ng"\nh,\n,""';
    expect(parseCsv(text, 'a.csv')).toEqual([
      { line: 2, fields: { prompt: 'a, "b"\nc', completion: 'd' } },
      { line: 4, fields: { prompt: ' e ', completion: 'f\r\ng' } },
      { line: 6, fields: { prompt: 'h', completion: '' } },
      { line: 7, fields: { prompt: '', completion: '' } },
    ]);
  });

  test('keeps quotes inside a plain field', () => {
    expect(parseCsv('a\nsays "no"', 'a.csv')).toEqual([{ line: 2, fields: { a: 'says "no"' } }]);
  });

  test('gives back any table, written quoted or plain where that is allowed, with either line end', () => {
    const name = fc.stringMatching(/^[a-z]{1,6}$/);
    const table = fc.uniqueArray(name, { minLength: 1, maxLength: 4 }).chain((names) =>
      fc.tuple(
        fc.constant(names),
        fc.array(
          fc.tuple(...names.map(() => fc.tuple(fc.string({ unit: character, maxLength: 12 }), fc.boolean()))),
          {
            maxLength: 5,
          },
        ),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
      ),
    );
    fc.assert(
      fc.property(table, ([names, rows, lineEnd, lastEnd]) => {
        // A row that is one empty field needs its quotes to be seen at the end of the text.
        const write = (value: string, quoted: boolean): string =>
          quoted || value === '' || /[",\r\n]/.test(value) ? quote(value) : value;
        const lines = rows.map((row) => row.map(([value, quoted]) => write(value, quoted)).join(','));
        const text = [names.join(','), ...lines].join(lineEnd) + (lastEnd ? lineEnd : '');
        expect(parseCsv(text, 'a.csv').map(({ fields }) => Object.values(fields))).toEqual(
          rows.map((row) => row.map(([value]) => value)),
        );
      }),
    );
  });

  test('throws nothing but PlaygroundError, whatever it is given', () => {
    const pieces = fc
      .array(fc.constantFrom('a', '"', '""', ',', '\n', '\r', '\r\n', '\uFEFF'))
      .map((p) => p.join(''));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: character }), pieces), (text) => {
        try {
          parseCsv(text, 'a.csv');
        } catch (error) {
          if (!(error instanceof PlaygroundError)) throw error;
          expect(error.message).toMatch(/^a\.csv, line \d+: /);
        }
      }),
      { numRuns: 400 },
    );
  });

  test.each([
    ['', 'a.csv, line 1: the file is empty.'],
    ['a,a\n1,2', 'a.csv, line 1: two columns are called "a".'],
    ['a,b\n1,2\n3', 'a.csv, line 3: the row has 1 fields, the header 2.'],
    ['a,b\n1,2\n\n3,4', 'a.csv, line 3: the row has 1 fields, the header 2.'],
    ['a,b\n"1\n2",3\n4,"5', 'a.csv, line 4: a quoted field begins on this line and never ends.'],
    ['a\n"b"c', 'a.csv, line 2: "c" follows the closing quote of a field that begins on this line.'],
  ])('names the line of %j', (text, message) => {
    expect(() => parseCsv(text, 'a.csv')).toThrow(message);
  });
});
