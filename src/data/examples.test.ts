import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Tokenizer } from '../model/types';
import { encodeCompletions, encodePreferences, encodePrompts, encodeText } from './examples';
import { parseRows } from './records';

/** One token a character (its code, at most 99); BOS 1 in front of prompts; EOS 2, written "$". */
const tokenizer: Tokenizer = {
  encode: (text, { special }) => [
    ...(special ? [1] : []),
    ...Array.from(text, (c) => (c === '$' ? 2 : Math.min(99, c.charCodeAt(0)))),
  ],
  decode: (ids, { skipSpecial }) =>
    String.fromCharCode(...ids.filter((id) => !skipSpecial || id > 2).map((id) => (id === 2 ? 36 : id))),
  textOf: (id) => String.fromCharCode(id === 2 ? 36 : id),
  eosId: 2,
  vocabulary: 100,
};
const config = { vocabulary: 100, context: 12, eosId: 2 as number | null };
const model = { tokenizer, config };
const bare = { tokenizer: null, config };

const A = 65;
const prompts = (text: string): ReturnType<typeof parseRows<'prompt-only'>> =>
  parseRows(text, 'a.jsonl', 'prompt-only');
const rows = (...list: object[]): ReturnType<typeof parseRows<'prompt-completion'>> =>
  parseRows(list.map((row) => JSON.stringify(row)).join('\n'), 'a.jsonl', 'prompt-completion');
const pairs = (...list: object[]): ReturnType<typeof parseRows<'preference'>> =>
  parseRows(list.map((row) => JSON.stringify(row)).join('\n'), 'a.jsonl', 'preference');
const SFT = { eos: true, truncate: true };
const SCORE = { eos: false, truncate: false };

describe('texts', () => {
  const row = (text: string | number[], line = 1) => ({ line, text });
  const plain = {
    ...tokenizer,
    encode: (text: string) => tokenizer.encode(text, { special: false }),
  };

  test('begin as the tokenizer has it, else with the end token, and end with that', () => {
    expect(encodeText(row('A'), 'a.txt', model)).toEqual([1, A, 2]);
    expect(encodeText(row('A$'), 'a.txt', model)).toEqual([1, A, 2]);
    expect(encodeText(row('A'), 'a.txt', { tokenizer: plain, config })).toEqual([2, A, 2]);
    expect(encodeText(row([A, 66]), 'a.jsonl', model)).toEqual([A, 66]);
  });

  test('of one token are refused by line', () => {
    expect(() => encodeText(row([A], 3), 'a.jsonl', model)).toThrow(
      'a.jsonl, line 3: the text is a single token',
    );
    const endless = { tokenizer: plain, config: { ...config, eosId: null } };
    expect(() => encodeText(row('A'), 'a.txt', endless)).toThrow('single token');
  });
});

describe('prompts', () => {
  test('get the special tokens the tokenizer adds; ids are taken as they are', () => {
    expect(encodePrompts(prompts('{"prompt": "AB"}\n{"prompt_ids": [65, 66]}'), 'a.jsonl', model, 4)).toEqual(
      [
        { text: 'AB', ids: [1, A, 66] },
        { text: 'AB', ids: [A, 66] },
      ],
    );
  });

  test('ids need no tokenizer', () => {
    expect(encodePrompts(prompts('{"prompt_ids": [65, 7]}'), 'a.jsonl', bare, 4)).toEqual([
      { text: '65 7', ids: [A, 7] },
    ]);
  });

  test('that would leave the context are refused by line and length', () => {
    const text = '{"prompt": "A"}\n{"prompt": "ABCDEFGH"}';
    expect(encodePrompts(prompts(text), 'a.jsonl', model, 3)).toHaveLength(2);
    expect(() => encodePrompts(prompts(text), 'a.jsonl', model, 4)).toThrow(
      expect.objectContaining({
        code: 'too-long',
        message:
          'a.jsonl, line 2: "prompt" has 9 tokens; with 4 new ones it leaves the model’s context of 12.',
      }),
    );
  });

  test.each([
    [
      '{"prompt": ""}',
      { ...model, tokenizer: { ...tokenizer, encode: () => [] } },
      'the prompt has no tokens',
    ],
    ['{"prompt_ids": []}', model, 'the prompt has no tokens'],
    ['{"prompt_ids": [5, 100]}', model, '"prompt_ids" holds 100, and the model’s tokens end at 99'],
    ['{"prompt": "A"}', bare, '"prompt" is a text, and the model has no tokenizer'],
  ])('%s is refused', (text, reader, message) => {
    expect(() => encodePrompts(prompts(text), 'a.jsonl', reader, 1)).toThrow(
      expect.objectContaining({ code: 'bad-data', message: `a.jsonl, line 1: ${message}.` }),
    );
  });
});

describe('completions', () => {
  test('are tokenised apart from the prompt, without special tokens, and end in EOS', () => {
    const { examples } = encodeCompletions(rows({ prompt: 'A', completion: 'BC' }), 'a.jsonl', model, SFT);
    expect(examples).toEqual([{ prompt: 'A', ids: [1, A, 66, 67, 2], promptLength: 2 }]);
  });

  test('get no second EOS, none on ids, none when scored, and none from a model that has none', () => {
    const ids = (completion: object, options: typeof SFT, eosId: number | null = 2): number[] | undefined =>
      encodeCompletions(
        rows({ prompt_ids: [A], ...completion }),
        'a.jsonl',
        { tokenizer, config: { ...config, eosId } },
        options,
      ).examples[0]?.ids;
    expect(ids({ completion: 'B$' }, SFT)).toEqual([A, 66, 2]);
    expect(ids({ completion_ids: [66, 2] }, SFT)).toEqual([A, 66, 2]);
    expect(ids({ completion_ids: [66] }, SFT)).toEqual([A, 66]);
    expect(ids({ completion: 'B' }, SCORE)).toEqual([A, 66]);
    expect(ids({ completion: 'B' }, SFT, null)).toEqual([A, 66]);
  });

  test('beyond the context lose their end and are told by line, or are refused', () => {
    const long = rows({ prompt: 'A', completion: 'B' }, { prompt: 'A', completion: 'B'.repeat(10) });
    const { examples, truncated } = encodeCompletions(long, 'a.jsonl', model, SFT);
    expect([truncated, examples[1]?.ids.length, examples[1]?.ids.at(-1)]).toEqual([[2], 12, 66]);
    expect(() => encodeCompletions(long, 'a.jsonl', model, SCORE)).not.toThrow();
    const longer = rows({ prompt: 'A', completion: 'B'.repeat(11) });
    expect(() => encodeCompletions(longer, 'a.jsonl', model, SCORE)).toThrow(
      'a.jsonl, line 1: prompt and completion have 2 + 11 tokens, the model’s context 12.',
    );
  });

  test('a prompt as long as the context is refused even where completions may be cut', () => {
    const full = rows({ prompt: 'A'.repeat(11), completion: 'B' });
    const message = 'a.jsonl, line 1: "prompt" alone has 12 tokens, the model’s context 12.';
    const refusal = expect.objectContaining({ code: 'too-long', message }) as Error;
    expect(() => encodeCompletions(full, 'a.jsonl', model, SFT)).toThrow(refusal);
    const pair = pairs({ prompt: 'A'.repeat(11), chosen: 'B', rejected: 'C' });
    expect(() => encodePreferences(pair, 'a.jsonl', model)).toThrow(refusal);
    const ids = rows({ prompt_ids: Array(12).fill(A), completion: 'B' });
    expect(() => encodeCompletions(ids, 'a.jsonl', model, SFT)).toThrow('line 1: "prompt_ids" alone');
  });

  test('the mask covers the completion exactly, whatever the texts', () => {
    const text = fc.stringMatching(/^[A-Z $]{1,5}$/);
    fc.assert(
      fc.property(text, text, (prompt, completion) => {
        const { examples } = encodeCompletions(rows({ prompt, completion }), 'a.jsonl', model, SFT);
        const { ids, promptLength } = examples[0]!;
        const alone = tokenizer.encode(completion, { special: false });
        expect(ids.slice(0, promptLength)).toEqual(tokenizer.encode(prompt, { special: true }));
        expect(ids.slice(promptLength)).toEqual(completion.endsWith('$') ? alone : [...alone, 2]);
      }),
    );
  });
});

describe('preferences', () => {
  test('share their prompt and end in EOS on both sides', () => {
    const { examples } = encodePreferences(pairs({ chosen: 'A B', rejected: 'A CD' }), 'a.jsonl', model);
    expect(examples).toEqual([
      {
        prompt: 'A',
        chosen: { prompt: 'A', ids: [1, A, 32, 66, 2], promptLength: 2 },
        rejected: { prompt: 'A', ids: [1, A, 32, 67, 68, 2], promptLength: 2 },
      },
    ]);
  });

  test('keep the margin that their row names', () => {
    const row = { prompt: 'A', chosen: 'B', rejected: 'C' };
    const { examples } = encodePreferences(pairs({ ...row, margin: 0.3 }, row), 'a.jsonl', model);
    expect(examples.map(({ margin }) => margin)).toEqual([0.3, undefined]);
  });

  test('beyond the context are left out and told by line; none left is an error', () => {
    const long = { prompt: 'A', chosen: 'B', rejected: 'C'.repeat(10) };
    const both = encodePreferences(
      pairs(long, { prompt: 'A', chosen: 'B', rejected: 'C' }),
      'a.jsonl',
      model,
    );
    expect([both.examples.length, both.dropped]).toEqual([1, [1]]);
    expect(() => encodePreferences(pairs(long), 'a.jsonl', model)).toThrow(
      'a.jsonl: every pair is longer than the model’s context of 12 tokens.',
    );
  });

  test('name the side at fault', () => {
    expect(() =>
      encodePreferences(pairs({ prompt: 'A', chosen_ids: [5], rejected_ids: [500] }), 'a.jsonl', model),
    ).toThrow('a.jsonl, line 1: "rejected_ids" holds 500, and the model’s tokens end at 99.');
  });
});
