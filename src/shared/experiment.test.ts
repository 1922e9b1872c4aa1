import { expect, test } from 'vitest';
import { BUILTIN, stageNames } from './experiment';

test('a stage is named by its kind, a second of its kind is numbered', () => {
  const kinds = ['sft', 'evaluate', 'sft', 'ppo', 'sft', 'evaluate'] as const;
  expect(stageNames(kinds.map((kind) => ({ kind })))).toEqual([
    'sft',
    'evaluate',
    'sft-2',
    'ppo',
    'sft-3',
    'evaluate-2',
  ]);
});

test('a builtin data set is a name and a known part', () => {
  expect(BUILTIN.exec('builtin:kind-endings/eval')?.groups).toEqual({ set: 'kind-endings', part: 'eval' });
  for (const name of ['builtin:kind-endings', 'builtin:../x/sft', 'builtin:a/other', 'a/sft']) {
    expect(BUILTIN.test(name)).toBe(false);
  }
});
