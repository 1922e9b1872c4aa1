import { expect, test } from 'vitest';
import { labellers } from './labellers';

const score = (completion: string) => labellers['feeling-words']?.('', completion) ?? NaN;

test('good feelings score above plain endings, plain ones above bad feelings', () => {
  expect(score(' Tim went home. He was very happy.')).toBe(1);
  expect(score(' Tim went home. He ate an apple.')).toBe(0);
  expect(score(' Tim went home. He was very sad.')).toBe(-1);
});

test('the last sentence weighs twice', () => {
  expect(score(' Tim was sad. Then he was happy.')).toBe(1);
  expect(score(' Tim was happy. Then he was sad.')).toBe(-1);
  expect(score(' Tim loved it. He went home.')).toBe(0.5);
});

test('a negated good feeling is bad, a negated bad one half good', () => {
  expect(score(' Tim was not happy.')).toBe(-1);
  expect(score(' Tim was not sad any more. He went home.')).toBe(0.5);
  expect(score(" Tim didn't feel lonely. He went home.")).toBe(0.5);
});

test('piling up happy words gains nothing', () => {
  expect(score(' Happy happy happy, glad and proud. Joy, joy!')).toBe(score(' She was happy.'));
});

test('no words, no feeling', () => {
  expect(score('')).toBe(0);
  expect(score(' ... !')).toBe(0);
});
