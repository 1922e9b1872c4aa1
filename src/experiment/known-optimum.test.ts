// Where the best is known, and what is said of it.
import { describe, expect, it } from 'vitest';
import type { EvaluatedSample } from '../evaluate/evaluate';
import type { Experiment, Stage } from '../shared/experiment';
import { bestOfNKl, tiltedShare } from '../shared/optimum';
import { defaultStage } from '../shared/validate';
import { bestOfNFindings, knownOptimum, optimumFindings } from './known-optimum';

const RULE = { reward: { kind: 'rule', name: 'kind-ending' } } as const;
const known = (stage: Stage, before: Stage[] = [defaultStage('sft')], evaluation = {}) => {
  const stages = [...before, stage, { ...defaultStage('evaluate'), ...evaluation }];
  const last = stages.at(-1) as ReturnType<typeof defaultStage<'evaluate'>>;
  return knownOptimum({ data: {}, stages } as unknown as Experiment, stages.length - 1, last);
};
const ppo = (changes = {}): Stage => ({ ...defaultStage('ppo'), ...RULE, ...changes });

describe('the optimum is known', () => {
  it('of methods that price KL themselves, held to the policy before them', () => {
    expect(known(ppo())).toMatchObject({ stage: 'ppo', reference: 'sft', price: 0.05 });
    expect(known({ ...defaultStage('rloo'), ...RULE, beta: 0.3 })).toMatchObject({
      stage: 'rloo',
      price: 0.3,
    });
    expect(known(ppo(), [])).toMatchObject({ reference: 'base' });
    expect(known(ppo(), [defaultStage('sft'), defaultStage('dpo')])).toMatchObject({ reference: 'dpo' });
    expect(known({ ...defaultStage('grpo'), ...RULE })).toBeNull();
    expect(known({ ...defaultStage('ppo'), reward: { kind: 'model' } })).toBeNull();
    expect(known(defaultStage('dpo'))).toBeNull();
  });

  it.each([
    { kl_coef: 0 },
    { kl_target: 6 },
    { kl_estimator: 'k3' },
    { whiten_rewards: true },
    { use_score_scaling: true },
    { score_clip: 1 },
    { entropy_coef: 0.01 },
    { gamma: 0.9 },
    { temperature: 0.7 },
    { response_length: 20 },
  ])('and not with %j', (changes) => {
    expect(known(ppo(changes))).toBeNull();
  });

  it('at any temperature that the evaluation samples at too', () => {
    expect(known(ppo({ temperature: 0.7 }), [], { temperature: 0.7 })).not.toBeNull();
  });

  it('a penalty for not ending is part of what is maximised', () => {
    expect(known(ppo({ missing_eos_penalty: 2 }))!.unfinished(1)).toBe(-1);
    expect(known(ppo({ missing_eos_penalty: 2, missing_eos_trick: 'replace' }))!.unfinished(1)).toBe(-2);
    expect(known(ppo())!.unfinished(1)).toBe(1);
  });
});

/** Of two prompts: how many of 16 are good, and of them how many ended. */
function samples(checkpoint: string, draws: number, good: [number, number]): EvaluatedSample[] {
  return good.flatMap((hits) =>
    Array.from({ length: draws }, (_, i) => ({
      ...{ checkpoint, prompt: '', completion: '', token_ids: [], seed: 0, kl: 0 },
      ...{ finished: true, reward: Number(i < hits) },
    })),
  );
}

describe('what is said of it', () => {
  const plain = { stage: 'ppo', reference: 'sft', price: 0.5, unfinished: (reward: number) => reward };
  const all = [
    ...samples('sft', 4, [4, 0]),
    ...samples('sft-opponent', 12, [12, 0]),
    ...samples('ppo', 4, [4, 1]),
  ];

  it('prompt by prompt: where one is always good and one never there is nothing to gain', () => {
    const found = optimumFindings(plain, all, 2, 1)!['ppo']!;
    expect(found['reached']!.value).toBe(5 / 8);
    expect(found['optimum']!.value).toBe(0.5);
    expect(found['optimum_at_most']!.value).toBeCloseTo(tiltedShare(0.5, 0.5), 12);
  });

  it('and with a penalty without a bound from above', () => {
    const strict = { ...plain, unfinished: (reward: number) => reward - 1 };
    const unfinished = all.map((sample, i) => ({ ...sample, finished: i % 2 === 0 }));
    const found = optimumFindings(strict, unfinished, 2, 1)!['ppo']!;
    expect(Object.keys(found)).toEqual(['reached', 'optimum']);
  });

  it('and how far the best of n lies from the reference, prompt by prompt', () => {
    const klOf = (sft: [number, number], more: [number, number], n = 4, all = 16): number | undefined =>
      bestOfNFindings(
        'sft',
        [...samples('sft', n, sft), ...samples('sft-opponent', all - n, more), ...samples('ppo', n, sft)],
        2,
        1,
      )?.[`best_of_${n}_kl`]?.value;
    expect(klOf([4, 0], [12, 0])).toBe(0);
    expect(klOf([2, 0], [6, 0])).toBeCloseTo(bestOfNKl(0.5, 4) / 2, 12);
    expect(klOf([3, 1], [9, 3])).toBeCloseTo((bestOfNKl(0.75, 4) + bestOfNKl(0.25, 4)) / 2, 12);
    expect(klOf([1, 0], [7, 0], 1), 'one is no choice').toBeUndefined();
    expect(klOf([2, 0], [1, 0], 4, 5), 'five tell no share').toBeUndefined();
  });

  it('nothing of scores that are not 1 and 0', () => {
    const graded = all.map((sample) => ({ ...sample, reward: 0.5 }));
    expect(optimumFindings(plain, graded, 2, 1)).toBeNull();
    expect(bestOfNFindings('sft', graded, 2, 1)).toBeNull();
  });
});
