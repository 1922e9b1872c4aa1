// The trainers against tasks whose optimum is known exactly (tests/enumerable.ts), as tests on every backend run them: each
// is the real one, only the language model is a table. PPO and RLOO are to reach π* ∝ ref·e^{r/β}; DPO and the reward
// model to recover what made the labels; GRPO, whose KL is the other way round, its own fixed point; best of n its own
// distribution. A short run must come most of the way, a long one to within a thousandth.

import { expect } from 'vitest';
import { tf } from '../src/engine/tf';
import { bestOfN, forwardOptimum, groupPrice } from '../src/shared/optimum';
import type { MetricsRow } from '../src/shared/protocol';
import { defaultStage } from '../src/shared/validate';
import { dpo } from '../src/train/dpo';
import { grpo } from '../src/train/grpo';
import { AdamW } from '../src/train/optimizer';
import { ppo, startPpo } from '../src/train/ppo';
import { reward } from '../src/train/reward';
import { rft } from '../src/train/rft';
import { rloo } from '../src/train/rloo';
import { startPolicy } from '../src/train/rows';
import { disposeState, type TrainState } from '../src/train/state';
import { divergence, enumerableTask, logitsOf, normalised, tableAdapter } from './enumerable';

type Task = Awaited<ReturnType<typeof enumerableTask>>;

const optimizer = { lr_scheduler_type: 'linear' as const, warmup_steps: 0, max_grad_norm: null };
const BETA = 0.5;

/** All steps; the last row, and what `look` makes of the state, which is disposed then. */
async function finish<R>(
  state: TrainState,
  steps: AsyncGenerator<MetricsRow>,
  look: (state: TrainState) => Promise<R>,
): Promise<R & { last: MetricsRow }> {
  let last: MetricsRow = { stage: '', step: 0 };
  try {
    for await (const row of steps) last = row;
    return { ...(await look(state)), last };
  } finally {
    disposeState(state);
  }
}

const policyOf = async (task: Task, { adapters }: TrainState) => ({
  reached: await task.probabilities(adapters['policy']!),
});

/** E[r] − β·KL(π ‖ ref) of what was reached: never above the best, and below it by no more than a thousandth, in a short
 *  run than a tenth of what there is to gain. */
function nearBest(task: Task, reached: readonly number[], long: boolean): void {
  const best = task.objective(task.tilted(BETA), BETA);
  const gain = best - task.objective(task.refProbabilities, BETA);
  expect(gain).toBeGreaterThan(0.05);
  expect(task.objective(reached, BETA)).toBeLessThanOrEqual(best + 1e-6);
  expect(best - task.objective(reached, BETA)).toBeLessThan(long ? 1e-3 : 0.1 * gain);
}

async function ppoTask(task: Task, T: number, updates: number, batch: number, changes = {}) {
  const stage = {
    ...{ ...defaultStage('ppo'), ...optimizer, num_ppo_epochs: 4, response_length: T, kl_coef: BETA },
    ...{ total_episodes: updates * batch, per_device_train_batch_size: batch, learning_rate: 0.05 },
    ...changes,
  };
  const state = await startPpo(stage, task.reference, null, 1);
  const values = state.adapters['critic']!.variables.get('table')!;
  values.assign(tf.zeros(values.shape));
  const found = await finish(state, ppo(task.context('ppo'), stage, state), (end) => policyOf(task, end));
  return found;
}

/** Rewards are logarithms of whole numbers, so that with σ(log a − log b) = a/(a + b) a copies of one order of a pair and b
 *  of the other are the whole population of labels. */
const WORTH = [1, 4, 2, 3, 1, 5, 2, 1, 3];
const labelled = () => enumerableTask(3, 2, { rewardOf: (i) => Math.log(WORTH[i]!) });
const population = (sequences: number[][]) => {
  const side = (i: number) => ({ ids: [0, ...sequences[i]!], promptLength: 1 });
  return sequences.flatMap((_, i) =>
    sequences.flatMap((__, j) =>
      i === j ? [] : Array.from({ length: WORTH[i]! }, () => ({ chosen: side(i), rejected: side(j) })),
    ),
  );
};
const whole = (rows: number, steps: number) => ({
  ...{ ...optimizer, max_steps: steps, per_device_train_batch_size: rows },
  ...{ eval_steps: 1000, learning_rate: 0.1 },
});

/** Each holds or throws. */
export const OPTIMA: Readonly<Record<string, (long: boolean) => Promise<void>>> = {
  'PPO comes to the exact optimum': async (long) => {
    const task = long ? await enumerableTask(4, 3) : await enumerableTask(3, 2);
    const { reached } = await ppoTask(task, long ? 3 : 2, long ? 250 : 30, long ? 128 : 64);
    nearBest(task, reached, long);
  },

  'PPO comes to it where completions end by themselves': async (long) => {
    const T = long ? 4 : 3;
    const task = await enumerableTask(3, T, { eosId: 2 });
    expect(new Set(task.sequences.map(({ length }) => length)).size).toBe(T);
    const { reached, last } = await ppoTask(task, T, long ? 300 : 30, long ? 128 : 64);
    expect(last['finish_rate']).toBeLessThan(1);
    nearBest(task, reached, long);
  },

  'PPO with k3 in the reward ends at another policy, as its warning says': async (long) => {
    const task = await enumerableTask(4, 3);
    const changes = { num_ppo_epochs: 2, kl_estimator: 'k3' };
    const { reached } = await ppoTask(task, 3, long ? 150 : 30, long ? 128 : 64, changes);
    const best = task.objective(task.tilted(BETA), BETA);
    expect(best - task.objective(reached, BETA)).toBeGreaterThan(0.1);
  },

  'RLOO comes to the exact optimum': async (long) => {
    const task = long ? await enumerableTask(4, 3) : await enumerableTask(3, 2);
    const batch = long ? 256 : 128;
    const stage = {
      ...{ ...defaultStage('rloo'), ...optimizer, num_generations: 8, beta: BETA, learning_rate: 0.1 },
      ...{ total_episodes: (long ? 400 : 30) * batch, per_device_train_batch_size: batch },
      max_completion_length: long ? 3 : 2,
    };
    const state = startPolicy(task.reference);
    const steps = rloo(task.context('rloo'), stage, state);
    const { reached } = await finish(state, steps, (end) => policyOf(task, end));
    nearBest(task, reached, long);
  },

  'GRPO comes to its own fixed point, that of the forward KL, and not to the tilted policy': async (long) => {
    const [V, batch, group] = [16, 256, 16];
    const task = await enumerableTask(V, 1);
    const stage = {
      ...{ ...defaultStage('grpo'), ...optimizer, num_generations: group, beta: BETA, learning_rate: 0.1 },
      ...{ total_episodes: (long ? 400 : 80) * batch, per_device_train_batch_size: batch },
      ...{ max_completion_length: 1, scale_rewards: 'none' as const },
    };
    const state = startPolicy(task.reference);
    const steps = grpo(task.context('grpo'), stage, state);
    const { reached } = await finish(state, steps, (end) => policyOf(task, end));
    const expected = forwardOptimum(task.refProbabilities, task.rewards, groupPrice(BETA, group));
    expect(divergence(expected, reached)).toBeLessThan(long ? 1e-3 : 5e-3);
    expect(divergence(task.tilted(BETA), reached)).toBeGreaterThan(0.01);
  },

  'DPO on the whole population comes to the best policy': async (long) => {
    const task = await labelled();
    const train = population(task.sequences);
    const stage = { ...defaultStage('dpo'), ...whole(train.length, long ? 300 : 40), beta: BETA };
    const state = startPolicy(task.reference);
    const steps = dpo({ ...task.context('dpo'), train, heldOut: [] }, stage, state);
    const { reached } = await finish(state, steps, (end) => policyOf(task, end));
    expect(divergence(task.tilted(BETA), reached)).toBeLessThan(long ? 1e-4 : 1e-2);
  },

  'the reward model recovers the reward up to a constant, its loss the entropy of the labels': async (
    long,
  ) => {
    const { sequences, rewards, context } = await labelled();
    const train = population(sequences);
    const scorer = tableAdapter('reward', false, sequences.length);
    const stage = { ...defaultStage('reward'), ...whole(train.length, long ? 300 : 80) };
    const optimizers = { reward: new AdamW(scorer.variables) };
    const state = { step: 0, adapters: { reward: scorer }, optimizers, scalars: {} };
    const steps = reward({ ...context('reward'), train, heldOut: [] }, stage, state);
    const { logits, last } = await finish(state, steps, async () => ({
      logits: Array.from(await logitsOf(scorer)),
    }));
    const off = rewards.map((value, i) => logits[3 * i]! - value);
    off.forEach((value) => expect(Math.abs(value - off[0]!)).toBeLessThan(long ? 5e-3 : 0.1));
    const labels = normalised(train.map(() => 1));
    const entropy = sequences
      .flatMap((_, i) => sequences.map((__, j) => [WORTH[i]!, WORTH[j]!, i === j] as const))
      .reduce((total, [a, b, same]) => total - (same ? 0 : a * labels[0]! * Math.log(a / (a + b))), 0);
    expect(Math.abs((last['loss'] as number) - entropy)).toBeLessThan(long ? 5e-5 : 1e-3);
  },

  'imitating the best of n comes to the distribution of best-of-n': async (long) => {
    const batch = long ? 512 : 256;
    const task = await enumerableTask(8, 1);
    const stage = {
      ...{ ...defaultStage('rft'), ...optimizer, num_generations: 4, max_new_tokens: 1, learning_rate: 0.1 },
      ...{ total_episodes: (long ? 400 : 80) * batch, per_device_train_batch_size: batch },
    };
    const state = startPolicy(task.reference);
    const steps = rft(task.context('rft'), stage, state);
    const { reached } = await finish(state, steps, (end) => policyOf(task, end));
    const expected = bestOfN(task.refProbabilities, task.rewards, 4);
    expect(divergence(expected, reached)).toBeLessThan(long ? 1e-3 : 1e-2);
  },
};
