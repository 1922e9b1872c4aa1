import { describe, expect, test } from 'vitest';
import { healthOf } from '../../tests/health';

/** Notices of a stage whose rows hold these columns; a number stands for the same in every row. */
function notices(stage: string, columns: Record<string, number | readonly number[]>): string[] {
  const lengths = Object.values(columns).map((column) => (typeof column === 'number' ? 0 : column.length));
  const rows = Array.from({ length: Math.max(...lengths) }, (_, i) => ({
    stage,
    step: i + 1,
    ...Object.fromEntries(
      Object.entries(columns).map(([name, column]) => [
        name,
        typeof column === 'number' ? column : column[i]!,
      ]),
    ),
  }));
  return healthOf(rows).map(({ level, metric }) => `${level} ${metric}`);
}
const line = (length: number, from: number, to: number): number[] =>
  Array.from({ length }, (_, i) => from + ((to - from) * i) / (length - 1));

describe('groups', () => {
  test('in which all completions score the same', () => {
    expect(
      notices('grpo', { frac_reward_zero_std: [0.2, 1, 1, 1], grad_norm: 0, learning_rate: 1e-3 }),
    ).toEqual(['warning frac_reward_zero_std']);
    expect(notices('rloo', { frac_reward_zero_std: [1, 1, 0.5] })).toEqual([]);
  });

  test('pairs of online DPO that score alike', () => {
    expect(notices('online_dpo', { 'objective/scores_margin': [0.5, 0, 0, 0] })).toEqual([
      'warning objective/scores_margin',
    ]);
    expect(notices('online_dpo', { 'objective/scores_margin': [0, 0, 0.5] })).toEqual([]);
  });

  test('the leash is named as the method has it', () => {
    const [notice] = healthOf([{ stage: 'grpo', step: 1, 'objective/kl': 11 }]);
    expect(notice?.try).toContain('beta');
  });
});

describe('preference', () => {
  const margins = line(20, 0, 2);
  test('chosen completions that become less likely while the margin grows', () => {
    expect(notices('dpo', { 'logps/chosen': line(20, -30, -45), 'rewards/margins': margins })).toEqual([
      'warning logps/chosen',
    ]);
    expect(notices('dpo', { 'logps/chosen': line(20, -30, -31), 'rewards/margins': margins })).toEqual([]);
    expect(notices('dpo', { 'logps/chosen': line(20, -30, -45), 'rewards/margins': 0 })).toEqual([]);
  });

  test('guessing after many steps', () => {
    expect(notices('simpo', { 'rewards/accuracies': line(30, 0.48, 0.52) })).toEqual([
      'info rewards/accuracies',
    ]);
    expect(notices('simpo', { 'rewards/accuracies': line(30, 0.5, 0.9) })).toEqual([]);
  });

  test('KTO’s KL at 0', () => {
    const zeros = Array<number>(12).fill(0);
    expect(notices('kto', { kl: zeros, 'rewards/rejected': line(12, 0, -1) })).toEqual(['info kl']);
    expect(notices('kto', { kl: line(12, 0, 1), 'rewards/rejected': line(12, 0, -1) })).toEqual([]);
    expect(notices('kto', { kl: zeros, 'rewards/rejected': 0 })).toEqual([]);
  });

  test('a gradient of exactly 0, and not while the rate is', () => {
    expect(notices('orpo', { grad_norm: [0, 0, 0], learning_rate: 1e-3 })).toEqual(['error grad_norm']);
    expect(notices('orpo', { grad_norm: [0, 0, 0], learning_rate: 0 })).toEqual([]);
  });
});
