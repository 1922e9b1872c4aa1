// A key must fire its action and no other: not with a modifier more or less, and never what the browser itself uses.

import { describe, expect, it } from 'vitest';
import { ariaKey, isCharacter, matches, showKey } from './keys';

const press = (
  key: string,
  held: Partial<Record<'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey', true>> = {},
) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  ...held,
});

describe('matches', () => {
  it('takes a letter without modifiers, whatever caps lock does', () => {
    expect(matches('n', press('n'))).toBe(true);
    expect(matches('n', press('N'))).toBe(true);
    expect(matches('n', press('N', { shiftKey: true }))).toBe(false);
    expect(matches('n', press('n', { ctrlKey: true }))).toBe(false);
    expect(matches('n', press('n', { altKey: true }))).toBe(false);
    expect(matches('n', press('m'))).toBe(false);
  });

  it('takes Ctrl and Command for Mod, and tells undo from redo', () => {
    expect(matches('Mod+z', press('z', { ctrlKey: true }))).toBe(true);
    expect(matches('Mod+z', press('z', { metaKey: true }))).toBe(true);
    expect(matches('Mod+z', press('z'))).toBe(false);
    expect(matches('Mod+z', press('Z', { ctrlKey: true, shiftKey: true }))).toBe(false);
    expect(matches('Mod+Shift+z', press('Z', { ctrlKey: true, shiftKey: true }))).toBe(true);
  });

  it('asks not for the shift that a character is typed with', () => {
    expect(matches('?', press('?', { shiftKey: true }))).toBe(true);
    expect(matches('?', press('?'))).toBe(true);
    expect(matches(' ', press(' '))).toBe(true);
  });
});

it('tells characters, which can be switched off, from the rest', () => {
  expect(['n', '?', ' ', '1'].map(isCharacter)).toEqual([true, true, true, true]);
  expect(['Mod+z', 'Mod+Shift+z', 'ArrowLeft'].map(isCharacter)).toEqual([false, false, false]);
});

it('writes keys for people and for assistive tools', () => {
  expect(['Mod+Shift+z', 'n', ' ', '?'].map((key) => showKey(key, false))).toEqual([
    'Ctrl+Shift+Z',
    'N',
    'Space',
    '?',
  ]);
  expect(showKey('Mod+z', true)).toBe('⌘ Z');
  expect(['Mod+z', ' ', 'n'].map(ariaKey)).toEqual(['Control+z', 'Space', 'n']);
});
