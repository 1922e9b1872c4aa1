import { expect, test } from 'vitest';
import { parseMath } from './mathml';

test('scripts, fractions, words and numbers', () => {
  expect(parseMath('ρ_t A')).toEqual([
    {
      tag: 'msub',
      children: [
        { tag: 'mi', text: 'ρ' },
        { tag: 'mi', text: 't' },
      ],
    },
    { tag: 'mi', text: 'A' },
  ]);
  const [minus, fraction] = parseMath('-\\frac{1}{N}');
  expect(minus).toEqual({ tag: 'mo', text: '−' });
  expect(fraction?.children?.map(({ tag }) => tag)).toEqual(['mrow', 'mrow']);
  expect(parseMath('max')).toEqual([{ tag: 'mi', text: 'max' }]);
  expect(parseMath('12.5')).toEqual([{ tag: 'mn', text: '12.5' }]);
  expect(parseMath('∑_i')[0]?.tag).toBe('munder');
  expect(parseMath('x_i^2')[0]?.tag).toBe('msubsup');
});

test('numbers that are filled in are told from those that are not', () => {
  expect(parseMath('⟨−0.12⟩')).toEqual([{ tag: 'mn', text: '−0.12', filled: true }]);
});

test('words stand apart from what is beside them', () => {
  expect(parseMath('"if it ends"')[0]?.text?.trim()).toBe('if it ends');
  expect(parseMath('log π').map(({ text }) => text)).toEqual(['log', '\u2009', 'π']);
  expect(parseMath('min(a)').map(({ text }) => text)).toEqual(['min', '(', 'a', ')']);
});

test('what does not balance is refused', () => {
  expect(() => parseMath('\\frac{1}{N')).toThrow(SyntaxError);
  expect(() => parseMath('a_')).toThrow(SyntaxError);
});
