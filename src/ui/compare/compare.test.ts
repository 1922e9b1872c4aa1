import { describe, expect, it } from 'vitest';
import type { Interval, Report } from '../../shared/protocol';
import { differenceRows, differenceSentence } from './difference';
import { wordShifts } from './words';

const interval = (value: number, by: number): Interval => ({ value, low: value - by, high: value + by });
const report: Report = {
  name: 'test',
  seed: 1,
  backend: 'wasm',
  device: 'CPU',
  seconds: {},
  evaluation: {
    base: { happy: interval(0.1, 0.02), kl: interval(26, 1) },
    sft: { happy: interval(0.5, 0.04), kl: interval(0, 0) },
    ppo: { happy: interval(0.93, 0.02), kl: interval(2.4, 0.1), reward: interval(0.8, 0.1) },
  },
  comparisons: {
    'ppo>sft': {
      win_rate: interval(0.8, 0.02),
      differences: { happy: interval(0.43, 0.04), kl: interval(2.4, 0.1) },
    },
    'base>sft': { win_rate: interval(0.5, 0.04), differences: { happy: interval(-0.01, 0.03) } },
  },
};
const plain = (text: string) => text.replaceAll('\u202f', ' ').replaceAll('\u2212', '-');

describe('two checkpoints', () => {
  it('are told apart in a sentence, with the interval of the paired difference', () => {
    expect(plain(differenceSentence(report, 'sft', 'ppo'))).toBe(
      'After PPO, 93 % of the endings are happy, 43 points more than after SFT (39 to 47). ' +
        'Side by side, its ending is the better one in 80 % (78 to 82).',
    );
  });

  it('are compared the other way round by mirroring', () => {
    expect(plain(differenceSentence(report, 'ppo', 'sft'))).toContain(
      '50 % of the endings are happy, 43 points fewer than after PPO (39 to 47). ' +
        'Side by side, its ending is the better one in 20 % (18 to 22).',
    );
    const [happy] = differenceRows(report, 'ppo', 'sft');
    expect(plain(happy!.change)).toBe('-43 (-47 to -39)');
    expect(happy!.clear).toBe(true);
  });

  it('may differ by luck alone, and then the sentence says so', () => {
    expect(plain(differenceSentence(report, 'sft', 'base'))).toContain('(-2 to 4: perhaps luck)');
    expect(differenceRows(report, 'sft', 'base')[0]!.clear).toBe(false);
  });

  it('that nobody paired are told apart by their own intervals', () => {
    expect(plain(differenceSentence(report, 'base', 'ppo'))).toContain(
      '83 points more than with the base model; the intervals of the two do not touch.',
    );
    expect(differenceSentence(report, 'ppo', 'ppo')).toBe('');
  });

  it('that differ by little show by how little', () => {
    const close = structuredClone(report);
    close.comparisons['ppo>sft']!.differences!['happy'] = { value: 0.0036, low: 0.0005, high: 0.0068 };
    expect(differenceRows(close, 'sft', 'ppo')[0]!.change).toBe('+0.4 (0.1 to 0.7)');
  });

  it('have a row for every metric of either', () => {
    const rows = differenceRows(report, 'sft', 'ppo');
    expect(rows.map(({ key }) => key)).toEqual(['happy', 'kl', 'reward']);
    expect(rows[2]).toMatchObject({ before: '–', change: '', clear: false });
  });
});

describe('words', () => {
  const sad = Array.from({ length: 100 }, (_, i) => (i % 4 === 0 ? 'He was sad.' : 'He went home.'));
  const happy = Array.from({ length: 100 }, (_, i) =>
    i % 2 === 0 ? 'He was happy, HAPPY.' : 'He went home.',
  );

  it('that one side uses more come with the share of endings that hold them', () => {
    const { more, less } = wordShifts(sad, happy, 5);
    expect(more[0]).toEqual({ word: 'happy', before: 0, after: 0.5 });
    expect(less.map(({ word }) => word)).toContain('sad');
    expect([...more, ...less].map(({ word }) => word)).not.toContain('he');
  });

  it('are none where both sides write alike, or too little to tell', () => {
    expect(wordShifts(sad, [...sad].reverse(), 5)).toEqual({ more: [], less: [] });
    expect(wordShifts(['a b'], ['c d'], 5)).toEqual({ more: [], less: [] });
    expect(wordShifts([], [], 5)).toEqual({ more: [], less: [] });
  });
});
