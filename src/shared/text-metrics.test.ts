import { expect, test } from 'vitest';
import { distinct2, followedFormat, repetition } from './text-metrics';

test('distinct-2 counts bigrams over all completions together', () => {
  expect(distinct2([' A cat sat.', ' A cat ran.'])).toBe(3 / 4);
  expect(distinct2([' A cat.', ' a CAT!'])).toBe(1 / 2);
  expect(distinct2(['', ' One.'])).toBe(0);
});

test('no bigram spans two completions', () => {
  expect(distinct2([' one', ' two', ' one'])).toBe(0);
});

test('repetition is the share of bigrams seen before in the completion', () => {
  expect(repetition(' The cat sat on the mat.')).toBe(0);
  expect(repetition(' happy happy happy happy happy')).toBe(3 / 4);
  expect(repetition('')).toBe(0);
});

test('format: finished, one line, at most three complete sentences, a capital first', () => {
  expect(followedFormat(' Tim was happy. They played all day.', true)).toBe(true);
  expect(followedFormat(' "Thank you!" said Tim. They were friends.', true)).toBe(true);
  expect(followedFormat(' Tim was happy. They played all day.', false)).toBe(false);
  expect(followedFormat(' Tim was happy. They played', true)).toBe(false);
  expect(followedFormat(' tim was happy.', true)).toBe(false);
  expect(followedFormat('Tim was happy.', true)).toBe(false);
  expect(followedFormat(' Tim was happy.\nOne day, he left.', true)).toBe(false);
  expect(followedFormat(' One. Two. Three. Four.', true)).toBe(false);
  expect(followedFormat('', true)).toBe(false);
});
