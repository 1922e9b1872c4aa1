import { expect, test } from 'vitest';
import { rules } from './rules';

const kindEnding = (completion: string) => rules['kind-ending']?.('', completion);

test('a kind ending is 1, an unkind or plain one 0', () => {
  expect(kindEnding(' Tim was so happy. They played all day.')).toBe(1);
  expect(kindEnding(' Tim was sad. He cried all day.')).toBe(0);
  expect(kindEnding(' Tim went home. He ate an apple.')).toBe(0);
});

test('negation and mixed feelings do not count as kind', () => {
  expect(kindEnding(' Tim was not happy.')).toBe(0);
  expect(kindEnding(" Tim didn't have fun.")).toBe(0);
  expect(kindEnding(' Lily was happy, but Tim was sad.')).toBe(0);
});

test('words are matched whole', () => {
  expect(kindEnding(' The refund was funny.')).toBe(0);
});
