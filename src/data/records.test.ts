import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlaygroundError } from '../shared/errors';
import { parseCsv } from './csv';
import { parseRows, type RowTypes } from './records';

const TYPES: (keyof RowTypes)[] = ['prompt-only', 'prompt-completion', 'preference', 'unpaired-preference'];

function faultOf(
  text: string,
  type: keyof RowTypes = 'prompt-completion',
  source = 'a.jsonl',
): [string, string] {
  try {
    parseRows(text, source, type);
  } catch (error) {
    if (!(error instanceof PlaygroundError)) throw error;
    expect(error.code).toBe('bad-data');
    return [error.message, error.fix];
  }
  return ['no fault', ''];
}

describe('parseRows', () => {
  test('gives back what was written, in order, with its line and other fields', () => {
    const part = fc.oneof(fc.string({ minLength: 1 }), fc.array(fc.nat(5000), { minLength: 1 }));
    const row = fc.record({ prompt: part, completion: part, extra: fc.jsonValue() });
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1 }),
        fc.boolean(),
        fc.constantFrom('\n', '\r\n'),
        (rows, end, lineEnd) => {
          const lines = rows.map(({ prompt, completion, extra }) =>
            JSON.stringify({
              [typeof prompt === 'string' ? 'prompt' : 'prompt_ids']: prompt,
              [typeof completion === 'string' ? 'completion' : 'completion_ids']: completion,
              extra,
            }),
          );
          const parsed = parseRows(
            lines.join(lineEnd) + (end ? lineEnd : ''),
            'a.jsonl',
            'prompt-completion',
          );
          expect(parsed.map(({ line, prompt, completion }) => ({ line, prompt, completion }))).toEqual(
            rows.map(({ prompt, completion }, i) => ({ line: i + 1, prompt, completion })),
          );
          parsed.forEach(({ fields }, i) => expect(fields).toEqual(JSON.parse(lines[i]!)));
        },
      ),
    );
  });

  test('reads a CSV where the name says so', () => {
    const text = 'prompt,completion,label\n"Hello,"," world",true\nA, b,False\n';
    expect(parseRows(text, 'a.CSV', 'unpaired-preference')).toMatchObject([
      { line: 2, prompt: 'Hello,', completion: ' world', label: true },
      { line: 3, prompt: 'A', completion: ' b', label: false },
    ]);
  });

  test('takes ids where both text and ids are given', () => {
    const [row] = parseRows('{"prompt": "a", "prompt_ids": [7]}', 'a.jsonl', 'prompt-only');
    expect(row?.prompt).toEqual([7]);
  });

  test('an empty prompt may be left to the tokenizer', () => {
    expect(parseRows('{"prompt": ""}', 'a.jsonl', 'prompt-only')[0]?.prompt).toBe('');
  });
});

describe('preferences', () => {
  const read = (row: object): object[] => parseRows(JSON.stringify(row), 'a.jsonl', 'preference');

  test('with a prompt', () => {
    expect(read({ prompt: 'Q:', chosen: ' yes', rejected: ' no' })).toMatchObject([
      { prompt: 'Q:', chosen: ' yes', rejected: ' no' },
    ]);
  });

  test.each([
    ['H: Hi\n\nA: I can.', "H: Hi\n\nA: I'm not.", 'H: Hi\n\nA:', ' I can.', " I'm not."],
    ['one two', 'one two three', 'one', ' two', ' two three'],
    ['same text', 'same text', 'same', ' text', ' text'],
    ['abc', 'abd', '', 'abc', 'abd'],
    ['x', 'x y', '', 'x', 'x y'],
  ])('without one, %j and %j share %j', (chosen, rejected, prompt, c, r) => {
    expect(read({ chosen, rejected })).toMatchObject([{ prompt, chosen: c, rejected: r }]);
  });

  test('with a margin, which is a number, or a number’s text in a CSV', () => {
    const row = { prompt: 'Q:', chosen: ' yes', rejected: ' no' };
    expect(read({ ...row, margin: 0.5 })).toMatchObject([{ margin: 0.5 }]);
    expect(read({ chosen: 'a b', rejected: 'a c', margin: -1 })).toMatchObject([{ margin: -1 }]);
    expect(read(row)[0]).not.toHaveProperty('margin');
    const csv = 'prompt,chosen,rejected,margin\nQ:, yes, no,2\n';
    expect(parseRows(csv, 'a.csv', 'preference')).toMatchObject([{ margin: 2 }]);
    for (const margin of ['much', '', null])
      expect(faultOf(JSON.stringify({ ...row, margin }), 'preference')[0]).toBe(
        `a.jsonl, line 1: "margin" is ${JSON.stringify(margin)}.`,
      );
  });

  test('without one, in ids', () => {
    expect(read({ chosen_ids: [1, 2, 3], rejected_ids: [1, 2, 4, 5] })).toMatchObject([
      { prompt: [1, 2], chosen: [3], rejected: [4, 5] },
    ]);
  });

  test('without one, nothing is lost or cut inside a word', () => {
    const word = fc.constantFrom('a', 'ab', ' ', '\n', 'b');
    const text = fc.array(word, { minLength: 1 }).map((words) => words.join(''));
    fc.assert(
      fc.property(text, text, text, (shared, chosen, rejected) => {
        const [row] = parseRows(
          JSON.stringify({ chosen: shared + chosen, rejected: shared + rejected }),
          'a.jsonl',
          'preference',
        );
        const {
          prompt,
          chosen: c,
          rejected: r,
        } = row as { prompt: string; chosen: string; rejected: string };
        expect([prompt + c, prompt + r]).toEqual([shared + chosen, shared + rejected]);
        expect(c !== '' && r !== '' && (prompt === '' || (/^\s/.test(c) && /^\s/.test(r)))).toBe(true);
      }),
    );
  });
});

describe('a bad row is named by line and field', () => {
  const good = '{"prompt": "a", "completion": "b"}';
  test.each([
    ['', 'a.jsonl has no rows.'],
    ['\n', 'a.jsonl, line 1 is empty.'],
    [`${good}\n\n${good}`, 'a.jsonl, line 2 is empty.'],
    [`${good}\n  \t\n`, 'a.jsonl, line 2 is empty.'],
    [
      `${good}\n{"prompt": "a", completion: "b"}`,
      'a.jsonl, line 2, column 17: expected a key in double quotes, found "c".',
    ],
    [
      `${good}\n{"prompt": "a"`,
      'a.jsonl, line 2, column 15: expected "," or "}", found the end of the file.',
    ],
    [`${good}\n["a"]`, 'a.jsonl, line 2 is ["a"], not an object.'],
    [`${good}\nnull`, 'a.jsonl, line 2 is null, not an object.'],
    [`${good}\n{"prompt": "a"}`, 'a.jsonl, line 2: "completion" is missing (the row has "prompt").'],
    [`${good}\n{}`, 'a.jsonl, line 2: "prompt" is missing (the row has no fields).'],
    ['{"prompt": 3, "completion": "b"}', 'a.jsonl, line 1: "prompt" is 3.'],
    ['{"prompt": "a", "completion": null}', 'a.jsonl, line 1: "completion" is null.'],
    ['{"prompt": "a", "completion": ""}', 'a.jsonl, line 1: "completion" is empty.'],
    ['{"prompt": "a", "completion_ids": []}', 'a.jsonl, line 1: "completion_ids" is empty.'],
    ['{"prompt_ids": [1, 2.5], "completion": "b"}', 'a.jsonl, line 1: "prompt_ids" is [1,2.5].'],
    ['{"prompt_ids": [-1], "completion": "b"}', 'a.jsonl, line 1: "prompt_ids" is [-1].'],
    ['{"prompt_ids": ["1"], "completion": "b"}', 'a.jsonl, line 1: "prompt_ids" is ["1"].'],
    ['{"prompt_ids": 1, "completion": "b"}', 'a.jsonl, line 1: "prompt_ids" is 1.'],
  ])('%j', (text, message) => {
    const [found, fix] = faultOf(text);
    expect(found).toBe(message);
    expect(fix).not.toBe('');
  });

  test('in the other types too', () => {
    expect(faultOf('{"chosen": "a"}', 'preference')[0]).toBe(
      'a.jsonl, line 1: "rejected" is missing (the row has "chosen").',
    );
    expect(faultOf('{"prompt": "a", "completion": "b", "label": 1}', 'unpaired-preference')[0]).toBe(
      'a.jsonl, line 1: "label" is 1.',
    );
    expect(faultOf('prompt,completion\n"a\nb",c\nd,\n', 'prompt-completion', 'a.csv')[0]).toBe(
      'a.csv, line 4: "completion" is empty.',
    );
  });

  test('random text brings nothing but a PlaygroundError with a fix', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '"prompt"',
      '"chosen"',
      '"prompt_ids"',
      ':',
      ',',
      '[',
      ']',
      '1',
      '"a"',
      '\n',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(pieces).map((parts) => parts.join('')),
      fc.array(fc.json(), { maxLength: 4 }).map((lines) => lines.join('\n')),
      fc
        .dictionary(fc.constantFrom('prompt', 'completion', 'chosen_ids', 'label'), fc.jsonValue())
        .map((row) => JSON.stringify(row)),
    );
    fc.assert(
      fc.property(
        text,
        fc.constantFrom(...TYPES),
        fc.constantFrom('a.jsonl', 'a.csv'),
        (content, type, source) => {
          const [message, fix] = faultOf(content, type, source);
          expect(message === 'no fault' || (message.startsWith(source) && fix !== '')).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});

// Others' data, which does not ship with this repository; where it lies beside the checkout, it must read.
const data = new URL('../../../shared/data/', import.meta.url);

describe('texts', () => {
  test('are a column of rows, or the paragraphs of a .txt with the lines they begin on', () => {
    expect(parseRows('{"text": "a"}\n{"text_ids": [1, 2]}', 'a.jsonl', 'language-modeling')).toEqual([
      { line: 1, text: 'a' },
      { line: 2, text: [1, 2] },
    ]);
    expect(parseRows('\n\na b\nc\r\n \r\nd\n\n\n', 'A.TXT', 'language-modeling')).toEqual([
      { line: 3, text: 'a b\nc' },
      { line: 6, text: 'd' },
    ]);
  });

  test('that are empty are refused', () => {
    expect(() => parseRows(' \n\n', 'a.txt', 'language-modeling')).toThrow('a.txt holds no text.');
    expect(() => parseRows('{"text": ""}', 'a.jsonl', 'language-modeling')).toThrow(
      'line 1: "text" is empty',
    );
  });
});

describe.skipIf(!existsSync(data))('real data of others', () => {
  test('HH-RLHF reads as preferences with an implicit prompt that ends at the assistant’s turn', () => {
    const text = gunzipSync(readFileSync(new URL('hh-rlhf/harmless-base-test.jsonl.gz', data))).toString();
    const rows = parseRows(text, 'harmless-base-test.jsonl', 'preference');
    expect(rows.length).toBe(2312);
    for (const { prompt, chosen, rejected, fields } of rows) {
      expect([`${String(prompt)}${String(chosen)}`, `${String(prompt)}${String(rejected)}`]).toEqual([
        fields['chosen'],
        fields['rejected'],
      ]);
    }
    const turns = rows.filter(({ prompt }) => String(prompt).includes('\n\nAssistant:'));
    expect(turns.length).toBeGreaterThan(0.99 * rows.length);
  });

  // Rows and characters (code points of all fields) as Python's csv module counts them.
  test.each([
    ['test', 968, 1710332],
    ['valid', 1000, 1773141],
  ])('Synthetic-Persona-Chat’s %s split reads as CSV', (split, count, characters) => {
    const file = new URL(`synthetic-persona-chat/Synthetic-Persona-Chat_${split}.csv`, data);
    const rows = parseCsv(readFileSync(file, 'utf8'), 'persona.csv');
    const values = rows.flatMap(({ fields }) => Object.values(fields));
    expect([rows.length, values.reduce((sum, value) => sum + Array.from(value).length, 0)]).toEqual([
      count,
      characters,
    ]);
  });
});
