// A person must see every row and every problem at once, and of each token whether training learns it.

import { describe, expect, it } from 'vitest';
import type { Tokenizer } from '../model/types';
import { fitRows, inspectRows, maskRow } from './inspect';

/** One token a character; BOS 1 in front of prompts, EOS 2 at the end of what is learnt. */
const tokenizer: Tokenizer = {
  encode: (text, { special }) => [...(special ? [1] : []), ...Array.from(text, (c) => c.charCodeAt(0))],
  decode: (ids) => String.fromCharCode(...ids),
  textOf: (id) => String.fromCharCode(id),
  eosId: 2,
  vocabulary: 128,
};
const model = { tokenizer, config: { vocabulary: 128, context: 8, eosId: 2 } };
const jsonl = (...rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('inspectRows', () => {
  it('lists every problem with its line, and every row that can be read', () => {
    const text =
      '{"prompt": "a", "completion": "b"}\n\n{"prompt": "a"}\n{"prompt": 7, "completion": "b"}\n[1]\nx';
    const { rows, total, problems, good } = inspectRows(text, 'own.jsonl', 'sft');
    expect(total).toBe(3);
    expect(good).toBe('{"prompt":"a","completion":"b"}\n');
    expect(rows.map(({ line }) => line)).toEqual([1, 3, 4]);
    expect(problems.map(({ line, message }) => [line, message])).toEqual([
      [2, 'own.jsonl, line 2 is empty.'],
      [3, 'own.jsonl, line 3: "completion" is missing (the row has "prompt").'],
      [4, 'own.jsonl, line 4: "prompt" is 7.'],
      [5, 'own.jsonl, line 5 is [1], not an object.'],
      [6, expect.stringContaining('line 6, column 1') as string],
    ]);
  });

  it('says what is wrong with a file as a whole', () => {
    expect(inspectRows('', 'own.jsonl', 'prompts').problems).toMatchObject([
      { line: null, message: 'own.jsonl has no rows.' },
    ]);
    const { rows, problems } = inspectRows('prompt\n"a', 'own.csv', 'prompts');
    expect(rows).toEqual([]);
    expect(problems).toMatchObject([{ line: null, message: expect.stringContaining('line 2') as string }]);
  });

  it('takes pairs and single judgements as preferences', () => {
    const pair = { prompt: 'a', chosen: 'b', rejected: 'c' };
    const single = { prompt: 'a', completion: 'b', label: true };
    expect(inspectRows(jsonl(pair), 'p.jsonl', 'preferences').problems).toEqual([]);
    expect(inspectRows(jsonl(single), 'p.jsonl', 'preferences').problems).toEqual([]);
  });
});

describe('fitRows', () => {
  it('counts demonstrations that lose their end, and pairs that are left out', () => {
    const sft = jsonl({ prompt: 'ab', completion: 'cd' }, { prompt: 'ab', completion: 'cdefgh' });
    expect(fitRows(sft, 's.jsonl', 'sft', model)).toEqual({
      longest: 8,
      tokens: 6 + 8,
      context: 8,
      truncated: 1,
      dropped: 0,
    });
    const pairs = jsonl(
      { prompt: 'a', chosen: 'bc', rejected: 'd' },
      { prompt: 'a', chosen: 'bcdefghi', rejected: 'd' },
    );
    expect(fitRows(pairs, 'p.jsonl', 'preferences', model)).toMatchObject({ longest: 5, dropped: 1 });
  });
});

describe('maskRow', () => {
  const learnt = (texts: ReturnType<typeof maskRow>) =>
    texts.map(({ field, tokens }) => [
      field,
      tokens.map(({ learnt }) => (learnt ? '1' : '0')).join(''),
      tokens.map(({ kept }) => (kept ? '1' : '0')).join(''),
    ]);

  it('learns the completion with its end, and neither the prompt nor what is cut off', () => {
    const short = maskRow({ line: 1, fields: { prompt: 'ab', completion: 'cd' } }, 's', 'sft', model);
    expect(learnt(short)).toEqual([['completion', '000111', '111111']]);
    expect(short[0]!.tokens.map(({ text }) => text).join('')).toBe('\u0001abcd\u0002');
    expect(short[0]!.tokens.map(({ end }) => end)).toEqual([false, false, false, false, false, true]);
    const long = maskRow({ line: 1, fields: { prompt: 'ab', completion: 'cdefgh' } }, 's', 'sft', model);
    expect(learnt(long)).toEqual([['completion', '0001111100', '1111111100']]);
  });

  it('shows both answers of a pair after their prompt, and a prompt alone', () => {
    const pair = { line: 1, fields: { prompt: 'a', chosen: 'b', rejected: 'cd' } };
    expect(learnt(maskRow(pair, 'p', 'preferences', model))).toEqual([
      ['chosen', '0011', '1111'],
      ['rejected', '00111', '11111'],
    ]);
    expect(learnt(maskRow({ line: 1, fields: { prompt: 'ab' } }, 'p', 'prompts', model))).toEqual([
      ['prompt', '000', '111'],
    ]);
  });

  it('refuses a row that training would refuse', () => {
    expect(() => maskRow({ line: 4, fields: { prompt: 'a' } }, 's', 'sft', model)).toThrow(
      'line 4: "completion"',
    );
  });
});
