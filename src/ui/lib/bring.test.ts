// Whatever is pasted must be read as what it is, and never take the name of something that is there.

import { expect, it } from 'vitest';
import { asLines, freeName, modelFiles, sourceOf } from './bring';

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

it('tells a model from an adapter by its files, and leaves out what is not read', () => {
  const found = (...names: string[]) => {
    const { kind, files } = modelFiles(names.map((name) => new File([''], name)));
    return [kind, [...files.keys()]];
  };
  expect(found('README.md', 'config.json', 'model-00001-of-00002.safetensors')).toEqual([
    'model',
    ['config.json', 'model-00001-of-00002.safetensors'],
  ]);
  expect(found('adapter_config.json', 'adapter_model.safetensors')[0]).toBe('adapter');
  expect(found('adapter_config.json', 'config.json')[0]).toBeNull();
  expect(found('pytorch_model.bin', 'config.json')).toEqual([null, ['config.json']]);
});
