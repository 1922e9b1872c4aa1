// The trainers against tasks whose optimum is known exactly (tests/enumerable.ts): each is the real one, only the
// language model is a table. PPO and RLOO are to reach π* ∝ ref·e^{r/β}; DPO and the reward model to recover what made
// the labels; GRPO, whose KL is the other way round, its own fixed point; best of n its own distribution.
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { divergence, enumerableTask, logitsOf, normalised, tableAdapter } from '../../tests/enumerable';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { bestOfN } from '../evaluate/best-of-n';
import type { MetricsRow } from '../shared/protocol';
import { defaultStage } from '../shared/validate';
import { dpo } from './dpo';
import { grpo } from './grpo';
import { AdamW } from './optimizer';
import { ppo, startPpo } from './ppo';
import { startPolicy } from './preference';
import { reward } from './reward';
import { rft } from './rft';
import { rloo } from './rloo';
import { disposeState, type TrainState } from './state';

vi.mock('../model/logprobs', async () => (await import('../../tests/enumerable')).MODULES.logprobs);
vi.mock('../model/heads', async () => (await import('../../tests/enumerable')).MODULES.heads);
vi.mock('../model/generate', async () => (await import('../../tests/enumerable')).MODULES.generate);

beforeAll(async () => {
  await openDevice('wasm');
});

let state: TrainState | undefined;
afterEach(() => {
  if (state) disposeState(state);
});

/** All steps; the last row. */
async function finish(steps: AsyncGenerator<MetricsRow>): Promise<MetricsRow | undefined> {
  let last: MetricsRow | undefined;
  for await (const row of steps) last = row;
  return last;
}

const optimizer = { lr_scheduler_type: 'linear' as const, warmup_steps: 0, max_grad_norm: null };
const BETA = 0.5;

describe('the best policy under a reward and a price of KL', { timeout: 240_000 }, () => {
  it('PPO comes within 1e-3 of the exact optimum', async () => {
    const task = enumerableTask(4, 3);
    const stage = {
      ...defaultStage('ppo'),
      ...optimizer,
      total_episodes: 250 * 128,
      per_device_train_batch_size: 128,
      num_ppo_epochs: 4,
      response_length: 3,
      learning_rate: 0.05,
      kl_coef: BETA,
    };
    state = await startPpo(stage, task.reference, null, 1);
    state.adapters['critic']!.variables.get('table')!.assign(tf.zeros([21, 4]));
    await finish(ppo(task.context('ppo'), stage, state));
    const best = task.objective(task.tilted(BETA), BETA);
    const reached = task.objective(task.probabilities(state.adapters['policy']!), BETA);
    expect(best - task.objective(task.refProbabilities, BETA)).toBeGreaterThan(0.2);
    expect(reached).toBeLessThanOrEqual(best + 1e-6);
    expect(best - reached).toBeLessThan(1e-3);
  });

  it('PPO with k3 in the reward ends at another policy, as its warning says', async () => {
    const task = enumerableTask(4, 3);
    const stage = {
      ...defaultStage('ppo'),
      ...optimizer,
      total_episodes: 150 * 128,
      per_device_train_batch_size: 128,
      response_length: 3,
      learning_rate: 0.05,
      kl_coef: BETA,
      kl_estimator: 'k3' as const,
    };
    state = await startPpo(stage, task.reference, null, 1);
    state.adapters['critic']!.variables.get('table')!.assign(tf.zeros([21, 4]));
    await finish(ppo(task.context('ppo'), stage, state));
    const best = task.objective(task.tilted(BETA), BETA);
    const reached = task.objective(task.probabilities(state.adapters['policy']!), BETA);
    expect(best - reached).toBeGreaterThan(0.1);
  });

  it('RLOO comes within 1e-3 of the exact optimum', async () => {
    const task = enumerableTask(4, 3);
    const stage = {
      ...defaultStage('rloo'),
      ...optimizer,
      total_episodes: 400 * 256,
      per_device_train_batch_size: 256,
      num_generations: 8,
      max_completion_length: 3,
      learning_rate: 0.1,
      beta: BETA,
    };
    state = startPolicy(task.reference);
    await finish(rloo(task.context('rloo'), stage, state));
    const best = task.objective(task.tilted(BETA), BETA);
    const reached = task.objective(task.probabilities(state.adapters['policy']!), BETA);
    expect(reached).toBeLessThanOrEqual(best + 1e-6);
    expect(best - reached).toBeLessThan(1e-3);
  });

  it('GRPO comes to its own fixed point, that of the forward KL, and not to the tilted policy', async () => {
    const task = enumerableTask(16, 1);
    const group = 16;
    const stage = {
      ...defaultStage('grpo'),
      ...optimizer,
      total_episodes: 400 * 256,
      per_device_train_batch_size: 256,
      num_generations: group,
      max_completion_length: 1,
      scale_rewards: 'none' as const,
      learning_rate: 0.1,
      beta: BETA,
    };
    state = startPolicy(task.reference);
    await finish(grpo(task.context('grpo'), stage, state));
    const reached = task.probabilities(state.adapters['policy']!);
    // The mean of a group holds each completion itself, which makes advantages smaller by (G − 1)/G.
    const price = (BETA * group) / (group - 1);
    const expected = forwardOptimum(task.refProbabilities, task.rewards, price);
    expect(divergence(expected, reached)).toBeLessThan(1e-3);
    expect(divergence(task.tilted(BETA), reached)).toBeGreaterThan(0.01);
  });
});

/** π = β·ref/(λ − r), λ such that it sums to 1: what maximises E[r] − β·KL(ref ‖ π). */
function forwardOptimum(ref: readonly number[], rewards: readonly number[], beta: number): number[] {
  const at = (lambda: number) => ref.map((p, i) => (beta * p) / (lambda - rewards[i]!));
  let [low, high] = [Math.max(...rewards), Math.max(...rewards) + 10 * beta];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (at(middle).reduce((a, b) => a + b) > 1) low = middle;
    else high = middle;
  }
  return at(high);
}

describe('what made the labels', { timeout: 240_000 }, () => {
  // Rewards are logarithms of whole numbers, so that with σ(log a − log b) = a/(a + b) a copies of one order of a pair
  // and b of the other are the whole population of labels.
  const worth = [1, 4, 2, 3, 1, 5, 2, 1, 3];
  const task = () => enumerableTask(3, 2, (i) => Math.log(worth[i]!));
  const population = (sequences: number[][]) => {
    const side = (i: number) => ({ ids: [0, ...sequences[i]!], promptLength: 1 });
    return sequences.flatMap((_, i) =>
      sequences.flatMap((__, j) =>
        i === j ? [] : Array.from({ length: worth[i]! }, () => ({ chosen: side(i), rejected: side(j) })),
      ),
    );
  };
  const common = (rows: number) => ({
    ...optimizer,
    max_steps: 300,
    per_device_train_batch_size: rows,
    eval_steps: 1000,
    learning_rate: 0.1,
  });

  it('DPO on the whole population comes to the best policy', async () => {
    const { sequences, reference, tilted, probabilities, context } = task();
    const train = population(sequences);
    const stage = { ...defaultStage('dpo'), ...common(train.length), beta: BETA };
    state = startPolicy(reference);
    await finish(dpo({ ...context('dpo'), train, heldOut: [] }, stage, state));
    expect(divergence(tilted(BETA), probabilities(state.adapters['policy']!))).toBeLessThan(1e-4);
  });

  it('the reward model recovers the reward up to a constant, its loss the entropy of the labels', async () => {
    const { sequences, rewards, context } = task();
    const train = population(sequences);
    const scorer = tableAdapter('reward', false, sequences.length);
    const stage = { ...defaultStage('reward'), ...common(train.length) };
    state = {
      step: 0,
      adapters: { reward: scorer },
      optimizers: { reward: new AdamW(scorer.variables) },
      scalars: {},
    };
    const last = await finish(reward({ ...context('reward'), train, heldOut: [] }, stage, state));
    const logits = logitsOf(scorer);
    const off = rewards.map((value, i) => logits[3 * i]! - value);
    off.forEach((value) => expect(value).toBeCloseTo(off[0]!, 2));
    const labels = normalised(train.map(() => 1));
    const entropy = sequences
      .flatMap((_, i) => sequences.map((__, j) => [worth[i]!, worth[j]!, i === j] as const))
      .reduce((total, [a, b, same]) => total - (same ? 0 : a * labels[0]! * Math.log(a / (a + b))), 0);
    expect(last!['loss']).toBeCloseTo(entropy, 4);
  });

  it('imitating the best of n comes to the distribution of best-of-n', async () => {
    const { rewards, reference, refProbabilities, probabilities, context } = enumerableTask(8, 1);
    const stage = {
      ...defaultStage('rft'),
      ...optimizer,
      total_episodes: 400 * 512,
      per_device_train_batch_size: 512,
      num_generations: 4,
      max_new_tokens: 1,
      learning_rate: 0.1,
    };
    state = startPolicy(reference);
    await finish(rft(context('rft'), stage, state));
    const expected = bestOfN(refProbabilities, rewards, 4);
    expect(divergence(expected, probabilities(state.adapters['policy']!))).toBeLessThan(1e-3);
  });
});
