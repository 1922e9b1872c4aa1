import { expect, test } from 'vitest';
import { nearest } from './nearest';

const names = ['learning_rate', 'kl_coef', 'gamma', 'lam', 'r'];

test.each([
  ['learnig_rate', 'learning_rate'],
  ['learning_rtae', 'learning_rate'],
  ['LearningRate', 'learning_rate'],
  ['klcoef', 'kl_coef'],
  ['lma', 'lam'],
  ['batch_size', null],
  ['', 'r'],
  ['x'.repeat(1000), null],
])('%s is near %s', (name, expected) => {
  expect(nearest(name, names)).toBe(expected);
});
