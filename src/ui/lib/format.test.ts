// The figures a person sees, at the edges where naive formatting goes wrong.

import { describe, expect, it } from 'vitest';
import {
  capital,
  formatAmong,
  formatBytes,
  formatCount,
  formatDuration,
  formatFixed,
  formatNumber,
  formatPercent,
  formatTimeLeft,
  titleOf,
} from './format';

describe('numbers', () => {
  it('keeps three significant figures and a true minus', () => {
    expect(formatNumber(0)).toBe('0');
    expect(formatNumber(0.002)).toBe('0.002');
    expect(formatNumber(-1.23456)).toBe('\u22121.23');
    expect(formatNumber(1234.5)).toBe('1,235');
    expect(formatNumber(-1234567)).toBe('\u22121,234,567');
    expect(formatNumber(1e-7)).toBe('1e\u22127');
    expect(formatNumber(1.44e-5)).toBe('1.4e\u22125');
    expect(formatNumber(Number.NaN)).toBe('not a number');
    expect(formatNumber(-Infinity)).toBe('\u2212∞');
  });

  it('is as precise as its column asks for, and 0 is 0', () => {
    expect(formatAmong(0.002, 0.002)).toBe('0.0020');
    expect(formatAmong(0.00121, 0.002)).toBe('0.0012');
    expect(formatAmong(3e-7, 0.002)).toBe('3e\u22127');
    expect(formatAmong(0, 0.002)).toBe('0');
    expect(formatAmong(1.5, 30)).toBe('1.50');
    expect(formatAmong(0.5, 0)).toBe('0.50');
  });

  it('fixes decimals, but never rounds a small value to nothing', () => {
    expect(formatFixed(1.5)).toBe('1.50');
    expect(formatFixed(0)).toBe('0.00');
    expect(formatFixed(0.001)).toBe('0.001');
    expect(formatFixed(-0.25, 1)).toBe('\u22120.3');
    expect(formatFixed(12345.6)).toBe('12,346');
  });

  it('writes shares as whole per cent', () => {
    expect(formatPercent(0.876)).toBe('88\u202f%');
    expect(formatPercent(0)).toBe('0\u202f%');
    expect(formatPercent(Number.NaN)).toBe('not a number');
  });
});

describe('time', () => {
  it('rolls over at minutes and hours', () => {
    expect(formatDuration(6.6)).toBe('0:07');
    expect(formatDuration(59.6)).toBe('1:00');
    expect(formatDuration(3723)).toBe('1:02:03');
    expect(formatDuration(-1)).toBe('0:00');
  });

  it('is coarser the further away', () => {
    expect(formatTimeLeft(3)).toBe('a few seconds left');
    expect(formatTimeLeft(41)).toBe('50 seconds left');
    expect(formatTimeLeft(62)).toBe('about 1 minute left');
    expect(formatTimeLeft(250)).toBe('about 4 minutes left');
    expect(formatTimeLeft(3 * 3600)).toBe('about 3 hours left');
  });
});

describe('sizes and names', () => {
  it('counts bytes in decimal units', () => {
    expect(formatBytes(512)).toBe('512\u202fB');
    expect(formatBytes(11_800_000)).toBe('11.8\u202fMB');
    expect(formatBytes(999_600)).toBe('1.0\u202fMB');
    expect(formatBytes(212_000_000)).toBe('212\u202fMB');
  });

  it('shortens counts', () => {
    expect(formatCount(4096)).toBe('4,096');
    expect(formatCount(5_914_112)).toBe('5.9 million');
    expect(formatCount(124_439_808)).toBe('124.4 million');
  });

  it('makes a title of a file name', () => {
    expect(titleOf('kind-endings')).toBe('Kind endings');
  });

  it('begins a sentence with a capital, but not the name of a setting', () => {
    expect(capital('with kl_coef 0 nothing holds it.')).toBe('With kl_coef 0 nothing holds it.');
    const names = [
      'data.preferences is given.',
      'use_dora is a kind of adapter.',
      'k3 is biased.',
      '4 divide.',
    ];
    for (const sentence of names) expect(capital(sentence)).toBe(sentence);
  });
});
