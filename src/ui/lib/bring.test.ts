// Whatever is pasted must be read as what it is, and never take the name of something that is there.

import { expect, it } from 'vitest';
import { asLines, freeName, sourceOf } from './bring';

it('tells JSONL from CSV by how the text begins, not by its name', () => {
  expect(sourceOf('rows.txt', ' {"prompt": "a"}')).toBe('rows.jsonl');
  expect(sourceOf('rows.jsonl', 'prompt,completion\na,b')).toBe('rows.csv');
  expect(sourceOf('pasted', '')).toBe('pasted.jsonl');
});

it('takes a list of objects for its rows, and leaves what it cannot read to those who say why', () => {
  expect(asLines('[{"prompt": "a"},\n {"prompt": "b"}]')).toBe('{"prompt":"a"}\n{"prompt":"b"}');
  expect(asLines('[{"prompt": ]')).toBe('[{"prompt": ]');
  expect(asLines('{"prompt": "a"}\n')).toBe('{"prompt": "a"}\n');
});

it('finds a name that is free and can stand in an experiment', () => {
  expect(freeName('my rows.jsonl', [])).toBe('my rows');
  expect(freeName('a/b:c.csv', [])).toBe('a-b-c');
  expect(freeName('???', [])).toBe('mine');
  expect(freeName('mine', ['mine', 'mine-2'])).toBe('mine-3');
});
