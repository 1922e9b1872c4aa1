import { expect, test } from 'vitest';
import { PlaygroundError, toPlainError } from './errors';

test('an error a person can meet keeps its code, message and fix on the way to the page', () => {
  const error = new PlaygroundError('bad-data', 'a.jsonl, line 3 is empty.', 'Remove the line.');
  const plain = structuredClone(toPlainError(error));
  expect(plain).toEqual({ code: 'bad-data', message: 'a.jsonl, line 3 is empty.', fix: 'Remove the line.' });
});

test.each([
  [new TypeError('x is not a function'), 'TypeError: x is not a function'],
  ['a text', 'a text'],
  [undefined, 'undefined'],
])('anything else is a bug and says so: %s', (thrown, message) => {
  expect(toPlainError(thrown)).toMatchObject({ code: 'bug', message });
});
