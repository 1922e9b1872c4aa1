import { expect, test, vi } from 'vitest';
import { type ErrorCode, ERRORS } from '../../shared/errors';
import type { Playground } from '../state/playground.svelte';
import { curesOf } from './remedies';

const CODES = Object.keys(ERRORS) as ErrorCode[];
const error = (code: ErrorCode) => ({ code, message: 'What happened.', fix: 'What to do.' });

// The registry listens to the keys of a page, which there is none of here.
vi.mock('./registry.svelte', () => ({
  actions: { find: () => ({ enabled: () => true, run: () => undefined }) },
}));

/** The page on a run that has failed in its first stage and can be gone on with. */
const page = (canContinue: boolean, focus = 'sft'): Playground =>
  ({
    canContinue,
    focus: { kind: focus },
    canUndo: true,
    session: { busy: true, current: { name: 'sft' } },
    stations: ['model', 'data', 'sft'].map((name) => ({ name })),
    draft: { model: 'bundled:stories-neo', stages: [{ kind: 'sft' }] },
    form: { value: () => 8 },
    budgets: { fits: null },
    models: { refused: null },
  }) as unknown as Playground;

test.each(CODES)('%s: a button mends it', (code) => {
  const labels = curesOf({ ...error(code), again: () => undefined }, page(true)).map(({ label }) => label);
  expect(labels).toHaveLength(ERRORS[code].remedies.length);
  expect(labels.length).toBeGreaterThan(0);
  expect(new Set(labels).size).toBe(labels.length);
});

test('what cannot be done now is not offered', () => {
  const labels = curesOf(error('storage-failed'), page(true)).map(({ label }) => label);
  expect(labels, 'there is nothing to try again').toEqual(['See what is kept']);
  expect(curesOf(error('not-finite'), page(false)), 'there is nothing to go on with').toEqual([]);
});

test('a button leads nowhere where one is already', () => {
  const labels = (focus: string) => curesOf(error('not-found'), page(false, focus)).map(({ label }) => label);
  expect(labels('data')).toEqual(['Choose a model']);
  expect(labels('model')).toEqual(['Look at the data']);
});

test('trying again does once more what failed, and nothing else', () => {
  let tries = 0;
  const [again] = curesOf({ ...error('download-failed'), again: () => (tries += 1) }, page(false));
  again?.run();
  expect(again?.label).toBe('Try again');
  expect(tries).toBe(1);
});
