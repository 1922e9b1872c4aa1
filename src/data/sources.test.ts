import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readRows, resolveSource, type ReadBytes } from './sources';

test('a builtin part is a file of the site, an adapter a directory, anything else a place beside the experiment', () => {
  expect(resolveSource('builtin:kind-endings/sft_model').path).toBe('experiments/kind-endings/sft_model');
  expect(resolveSource('builtin:kind-endings/eval')).toEqual({
    at: 'site',
    path: 'experiments/kind-endings/eval.jsonl',
  });
  expect(resolveSource('own:my rows')).toEqual({ at: 'own', path: 'my rows' });
  expect(resolveSource('../data/pairs.jsonl')).toEqual({ at: 'file', path: '../data/pairs.jsonl' });
});

test('the data sets that ship with the playground read', async () => {
  const fromDisk: ReadBytes = ({ path }) =>
    Promise.resolve(new Uint8Array(readFileSync(new URL(`../../public/${path}`, import.meta.url))));
  const demonstrations = await readRows('builtin:kind-endings/sft', 'prompt-completion', fromDisk);
  const prompts = await readRows('builtin:kind-endings/prompts', 'prompt-only', fromDisk);
  const evaluation = await readRows('builtin:kind-endings/eval', 'prompt-only', fromDisk);
  const pairs = await readRows('builtin:kind-endings/preferences', 'preference', fromDisk);
  expect(evaluation.length).toBe(200);
  for (const { prompt } of [...demonstrations, ...prompts, ...evaluation, ...pairs])
    expect(prompt).toMatch(/\nEnding:$/);
});

test('a file that is not there is named', async () => {
  const nothing: ReadBytes = () => Promise.resolve(null);
  await expect(readRows('pairs.jsonl', 'preference', nothing)).rejects.toMatchObject({
    code: 'not-found',
    message: 'There is no file "pairs.jsonl".',
  });
  await expect(readRows('own:mine', 'preference', nothing)).rejects.toMatchObject({
    code: 'bad-data',
    message: 'Rows called "mine" are not kept in this browser.',
  });
  await expect(readRows('builtin:unknown/sft', 'preference', nothing)).rejects.toMatchObject({
    message: 'The playground ships no data set "builtin:unknown/sft".',
  });
});

test('a fault in a file carries the name it has in the experiment', async () => {
  const braces: ReadBytes = () => Promise.resolve(new TextEncoder().encode('{}'));
  await expect(readRows('p.jsonl', 'prompt-only', braces)).rejects.toMatchObject({
    code: 'bad-data',
    message: 'p.jsonl, line 1: "prompt" is missing (the row has no fields).',
  });
});
