// Undo must lead back through exactly what was there, redo forth again, and a new change must end the redoing.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { begin, record, redo, undo, type History } from './history';

const values = fc.array(fc.integer(), { minLength: 1, maxLength: 50 });
const after = (values: number[]): History<number> =>
  values.slice(1).reduce(record<number>, begin(values[0]!));
const repeat = <T>(times: number, change: (value: T) => T, from: T): T =>
  Array.from({ length: times }).reduce<T>((value) => change(value), from);

it('goes back value by value, and forth again', () => {
  fc.assert(
    fc.property(values, fc.nat(60), (some, times) => {
      const history = after(some);
      const back = repeat(times, undo, history);
      expect(back.present).toBe(some[Math.max(0, some.length - 1 - times)]);
      expect(repeat(times, redo, back)).toEqual(history);
    }),
  );
});

it('forgets what was undone once something new is done', () => {
  const history = record(undo(after([1, 2, 3])), 4);
  expect(history).toEqual({ past: [1, 2], present: 4, future: [] });
  expect(redo(history)).toBe(history);
});

it('has nothing to take back at the beginning, and does not grow without end', () => {
  const fresh = begin('a');
  expect(undo(fresh)).toBe(fresh);
  const long = after(Array.from({ length: 1000 }, (_, i) => i));
  expect(long.past.length).toBe(200);
  expect(repeat(1000, undo, long).present).toBe(799);
});
