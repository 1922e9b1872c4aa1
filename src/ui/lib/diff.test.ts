import fc from 'fast-check';
import { expect, test } from 'vitest';
import { diffWords, type Piece } from './diff';

const joined = (pieces: Piece[]): string => pieces.map(({ text }) => text).join('');
const marked = (pieces: Piece[]): string[] =>
  pieces.filter(({ same }) => !same).map(({ text }) => text.trim());

test('what differs is marked, and nothing else', () => {
  const { before, after } = diffWords(
    'Tom was sad. He went home alone.',
    'Tom was glad. He went home with Ben.',
  );
  expect(marked(before)).toEqual(['sad.', 'alone.']);
  expect(marked(after)).toEqual(['glad.', 'with Ben.']);
});

test('a text against itself, and against nothing', () => {
  expect(diffWords('so it is', 'so it is')).toEqual({
    before: [{ text: 'so it is', same: true }],
    after: [{ text: 'so it is', same: true }],
  });
  expect(diffWords('', 'new words')).toEqual({ before: [], after: [{ text: 'new words', same: false }] });
});

test('spacing is no difference', () => {
  expect(marked(diffWords(' a  b', 'a b ').after).filter(Boolean)).toEqual([]);
});

test('pieces join to the texts, alternate, and the same words are common to both', () => {
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', 'd.'), { maxLength: 12 })
    .map((words) => words.join(' '));
  fc.assert(
    fc.property(text, text, (one, two) => {
      const { before, after } = diffWords(one, two);
      expect(joined(before)).toBe(one);
      expect(joined(after)).toBe(two);
      for (const pieces of [before, after]) {
        pieces.slice(1).forEach(({ same }, i) => expect(same).not.toBe(pieces[i]?.same));
      }
      const common = (pieces: Piece[]): string =>
        pieces
          .filter(({ same }) => same)
          .map(({ text: part }) => part.trim())
          .join(' ');
      expect(common(before)).toBe(common(after));
      expect(marked(diffWords(one, one).after)).toEqual([]);
    }),
  );
});
