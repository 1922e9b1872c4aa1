import fc from 'fast-check';
import { Tiktoken } from 'js-tiktoken/lite';
import ranks from 'js-tiktoken/ranks/gpt2';
import { expect, test } from 'vitest';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { GPT2_VOCABULARY, gpt2Tokenizer } from './gpt2-tokenizer.ts';

const texts = Object.values(gpt2Tokenizer()).map((json) => JSON.stringify(json)) as [string, string];
const tokenizer = await createTokenizer(...texts, 'gpt2');

test('it has GPT-2’s ids and its end token', () => {
  expect(GPT2_VOCABULARY).toBe(50257);
  expect(tokenizer).toMatchObject({ vocabulary: 50257, eosId: 50256 });
  // As GPT-2's own encoder gives them.
  expect(tokenizer.encode('Hello world', { special: false })).toEqual([15496, 995]);
  expect(tokenizer.encode('<|endoftext|>', { special: true })).toEqual([50256]);
});

test('it splits any text as tiktoken does, which merges by rank, and gives it back', () => {
  const oracle = new Tiktoken(ranks);
  const agrees = (text: string): void => {
    const ids = tokenizer.encode(text, { special: false });
    expect(ids).toEqual(oracle.encode(text, [], []));
    expect(tokenizer.decode(ids, { skipSpecial: false })).toBe(text);
  };
  agrees("Once upon a time, there wasn’t a dog. It’s 1,234.50 o’clock;\n\n  “don't” — Zażółć 日本 🙂\t!");
  fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), agrees), { numRuns: 200 });
  const word = fc.constantFrom('the', ' dog', ' unbelievably', "'ll", '  ', ' 2026', 'naïve', '...', ' the');
  const prose = fc.array(word, { maxLength: 30 }).map((words) => words.join(''));
  fc.assert(fc.property(prose, agrees), { numRuns: 200 });
});
