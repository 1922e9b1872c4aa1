// PPO's implementation details that are settings: what each does, and that by default none of them changes a number.
// And why k3 has no place inside a reward (enumerable.test.ts has how well the estimators do as estimates).
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { divergence, enumerableTask, normalised } from '../../tests/enumerable';
import { openDevice } from '../engine/device';
import { normals } from '../engine/random';
import { tf } from '../engine/tf';
import type { LanguageModel } from '../model/types';
import { follow, scaleScores } from './advantage';
import { AdamW } from './optimizer';
import { assessEpisodes } from './rollouts';

vi.mock('../model/logprobs', async () => (await import('../../tests/enumerable')).MODULES.logprobs);

beforeAll(async () => {
  await openDevice('wasm');
});

it('scores follow the deviation and mean of all scores so far, and are cut off', () => {
  const scalars: Record<string, number> = {};
  const all = [3, 5, 4, 10, -2, 0.5];
  follow(scalars, all.slice(0, 2));
  follow(scalars, all.slice(2));
  const mean = all.reduce((a, b) => a + b) / 6;
  const deviation = Math.sqrt(all.reduce((sum, score) => sum + (score - mean) ** 2, 0) / 5);
  const off = { use_score_scaling: false, use_score_norm: false, score_clip: null };
  expect(scaleScores([5, -20], scalars, off)).toEqual([5, -20]);
  const scaled = scaleScores([5], scalars, { ...off, use_score_scaling: true });
  expect(scaled[0]).toBeCloseTo(5 / deviation, 6);
  const centred = { use_score_scaling: true, use_score_norm: true, score_clip: 1 };
  const [five, low] = scaleScores([5, -20], scalars, centred);
  expect(five).toBeCloseTo((5 - mean) / deviation, 6);
  expect(low).toBe(-1);
});

it.each([0.1, -1, 0])('scores that are all %f stay as they are, until one differs', (score) => {
  const scalars: Record<string, number> = {};
  const scaling = { use_score_scaling: true, use_score_norm: false, score_clip: null };
  const same = Array<number>(7).fill(score);
  follow(scalars, same);
  expect(scaleScores(same, scalars, scaling)).toEqual(same);
  follow(scalars, [score + 1]);
  expect(scaleScores([score + 1], scalars, scaling)[0]).toBeCloseTo((score + 1) * Math.sqrt(8), 6);
});

it('not ending is subtracted from the score, or replaces it', async () => {
  const task = await enumerableTask(2, 1, { rewardOf: (i) => 3 + i });
  const context = task.context('ppo');
  const rows = [[0], [1]].map((tokens) => ({ prompt: '', promptIds: [0], tokens }));
  const ending = { ...context, model: { config: { context: 16, eosId: 1 } } as unknown as LanguageModel };
  const scores = async (missing_eos_trick: 'subtract' | 'replace', missing_eos_penalty: number | null) => {
    const settings = {
      ...{ temperature: 1, per_device_train_batch_size: 2 },
      ...{ missing_eos_penalty, missing_eos_trick },
    };
    return (await assessEpisodes(ending, task.reference, rows, settings)).scores;
  };
  expect(await scores('subtract', 1)).toEqual([2, 4]);
  expect(await scores('replace', 1)).toEqual([-1, 4]);
  expect(await scores('replace', null)).toEqual([3, 4]);
});

describe('Adam’s ε', () => {
  async function firstStep(adam_style?: 'torch' | 'tf'): Promise<number> {
    const variable = tf.variable(tf.scalar(0));
    const optimizer = new AdamW(new Map([['x', variable]]));
    const settings = {
      adam_beta1: 0.9,
      adam_beta2: 0.999,
      adam_epsilon: 1e-3,
      weight_decay: 0,
      max_grad_norm: null,
    };
    await optimizer.update([tf.scalar(1e-3)], 1, { ...settings, ...(adam_style && { adam_style }) });
    const value = (await variable.data())[0]!;
    optimizer.dispose();
    variable.dispose();
    return value;
  }

  it('in TensorFlow’s place makes the first update gentler, by the known factor', async () => {
    expect(await firstStep()).toBe(await firstStep('torch'));
    // m̂ = g and √v̂ = |g|: PyTorch moves by g/(g + ε), TensorFlow by g/(g + ε/√(1 − β₂)).
    expect(await firstStep('torch')).toBeCloseTo(-0.5, 5);
    expect(await firstStep('tf')).toBeCloseTo(-1e-3 / (1e-3 + 1e-3 / Math.sqrt(0.001)), 5);
  });
});

describe('an estimate of the KL as a price', () => {
  const outcomes = 40;
  const ref = normalised(Array.from(normals(outcomes, 1, 'ref'), Math.exp));
  const logits = Array.from(normals(outcomes, 1, 'logits'), (z, i) => Math.log(ref[i]!) + 0.5 * z);
  const p = normalised(logits.map(Math.exp));
  const apart = p.map((value, i) => Math.log(ref[i]! / value)); // log(ref/π)
  const estimators = {
    k1: apart.map((d) => -d),
    k3: apart.map((d) => Math.expm1(d) - d),
  };
  const mean = (of: readonly number[]) => of.reduce((sum, value, i) => sum + p[i]! * value, 0);
  const kl = divergence(p, ref);

  it('inside the reward only k1 gives the gradient of the KL', () => {
    // The policy gradient of −E[k] over softmax logits: p_i (E[k] − k_i); the KL's own: p_i (KL − log(p_i/ref_i)).
    const gradient = (of: readonly number[]) => p.map((value, i) => value * (mean(of) - of[i]!));
    const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    const cosine = (a: readonly number[], b: readonly number[]) =>
      dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    const exact = p.map((value, i) => value * (kl + apart[i]!));
    expect(cosine(gradient(estimators.k1), exact)).toBeCloseTo(1, 10);
    expect(cosine(gradient(estimators.k3), exact)).toBeLessThan(0.99);
  });
});
