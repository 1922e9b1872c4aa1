import { expect, test } from 'vitest';
import type { TokenColumns } from '../../shared/protocol';
import {
  formatSigned,
  measuresOf,
  shadeColour,
  tokenName,
  tokenShade,
  tokenText,
  tokenValues,
} from './tokens';

const sft: TokenColumns = { text: [' She', ' cried'], logprob: [-0.5, -2], ref_logprob: [-0.5, -1.25] };
const ppo: TokenColumns = { ...sft, reward: [-0.1, 1.3], value: [0.4, 0.2], advantage: [0.1, 1.1] };

test('KL is log-probability minus the reference’s, with its sign', () => {
  expect(tokenValues(sft, 'kl')).toEqual([0, -0.75]);
  expect(tokenValues(sft, 'logprob')).toEqual([-0.5, -2]);
});

test('what a completion does not have is not offered', () => {
  expect(tokenValues(sft, 'advantage')).toBeNull();
  expect(measuresOf([sft, undefined])).toEqual(['logprob', 'kl']);
  expect(measuresOf([sft, ppo])).toEqual(['logprob', 'kl', 'reward', 'value', 'advantage']);
  expect(measuresOf([undefined])).toEqual([]);
});

test('shades keep their sign, are even about 0 and end at the ends of the scale', () => {
  expect(tokenShade(0, 'kl')).toBe(0);
  expect(tokenShade(1, 'kl')).toBe(-tokenShade(-1, 'kl'));
  expect(tokenShade(99, 'kl')).toBe(1);
  expect(tokenShade(-3, 'logprob')).toBe(-0.5);
  expect(shadeColour(-0.5)).toContain('--token-low) 50%');
  expect(shadeColour(1)).toContain('--token-high) 100%');
});

test('numbers have a sign, and every token a name and something to see', () => {
  expect(formatSigned(0.42)).toBe('+0.42');
  expect(formatSigned(-0.42)).toBe('−0.42');
  expect(formatSigned(0)).toBe('0');
  expect([' dog', '\n', ' ', '<|endoftext|>'].map(tokenName)).toEqual([
    '“dog”',
    'line break',
    'space',
    'end of text',
  ]);
  expect(tokenText('<|endoftext|>').trim()).toBe('∎');
  expect(tokenText('\n')).toContain('↵');
});
