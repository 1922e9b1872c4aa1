import { expect, test } from 'vitest';
import { expand } from './template';

test('repeats, chooses, includes and substitutes', () => {
  const source = [
    '//$ for r in R',
    'a$r = $X;',
    '  //$ if F',
    'b_$r_$X',
    '  //$ else',
    'c',
    '  //$ end',
    '//$ end',
    '//$ include I',
  ].join('\n');
  expect(expand(source, { R: 2, X: 7, F: true, I: 'x$X' })).toBe('a0 = 7;\nb_0_7\na1 = 7;\nb_1_7\nx7');
  expect(expand(source, { R: 1, X: 7, F: false, I: '' })).toBe('a0 = 7;\nc\n');
});

test('an unknown name or an open block is an error', () => {
  expect(() => expand('$X', {})).toThrow('$X');
  expect(() => expand('//$ if F', { F: true })).toThrow('no end');
});
