// The trainers on a transformer with LoRA whose completions can all be counted (tests/enumerable-model.ts): they come as
// far as the exact gradient does with the same weights, and what they estimate is what there is. `FULL=1` takes
// completions of three tokens in place of two, and eight times the samples.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { transformerTask } from '../../tests/enumerable-model';
import { openDevice } from '../engine/device';
import type { Adapter } from '../model/lora';
import type { MetricsRow } from '../shared/protocol';
import { defaultStage } from '../shared/validate';
import { grpo } from './grpo';
import { ppo, startPpo } from './ppo';
import { startPolicy } from './preference';
import { rloo } from './rloo';
import { disposeState, type TrainState } from './state';

const full = process.env['FULL'] === '1';
const V = 4;
const T = full ? 3 : 2;
const BETA = 0.5;
const optimizer = { lr_scheduler_type: 'linear' as const, warmup_steps: 0, max_grad_norm: null };

let task: Awaited<ReturnType<typeof transformerTask>>;
let exact: number;
beforeAll(async () => {
  await openDevice('wasm');
  task = await transformerTask(V, T);
  const settings = { ...defaultStage('ppo'), ...optimizer, learning_rate: 0.02 };
  const climbed = await task.ascend(BETA, full ? 1000 : 300, settings);
  exact = await task.objective(climbed, BETA);
  climbed.dispose();
}, 120_000);

afterAll(() => task.dispose());

/** All steps; the last row. The state is disposed once `look` has seen it. */
async function finish<R>(
  started: TrainState,
  steps: (state: TrainState) => AsyncGenerator<MetricsRow>,
  look: (policy: Adapter, last: MetricsRow) => Promise<R>,
): Promise<R> {
  let last: MetricsRow = { stage: '', step: 0 };
  for await (const row of steps(started)) last = row;
  const seen = await look(started.adapters['policy']!, last);
  disposeState(started);
  return seen;
}

describe('as far as the exact gradient', { timeout: 600_000 }, () => {
  const [updates, batch] = full ? [300, 512] : [150, 128];
  const common = {
    ...optimizer,
    total_episodes: updates * batch,
    per_device_train_batch_size: batch,
    learning_rate: full ? 0.01 : 0.02,
  };

  /** Within 1 % of what there is to gain of where the exact gradient ends; both are shown. */
  const holds = (name: string, reached: number): void => {
    const [best, start] = [task.best(BETA), task.start];
    const show = (value: number): string =>
      `${value.toFixed(4)} (${((100 * (value - start)) / (best - start)).toFixed(1)} %)`;
    console.info(
      `J: reference ${show(start)}, best of all ${show(best)}, exact gradient ${show(exact)}, ${name} ${show(reached)}`,
    );
    expect(exact).toBeGreaterThan(start + 0.8 * (best - start));
    expect(reached).toBeLessThanOrEqual(best + 1e-5);
    expect(reached).toBeGreaterThan(exact - 0.01 * (best - start));
  };

  it('PPO', async () => {
    const stage = { ...defaultStage('ppo'), ...common, num_ppo_epochs: 2, response_length: T, kl_coef: BETA };
    const begun = await startPpo(stage, task.reference, null, task.model.config.width);
    holds(
      'PPO',
      await finish(
        begun,
        (s) => ppo(task.context('ppo'), stage, s),
        (policy) => task.objective(policy, BETA),
      ),
    );
  });

  it('RLOO', async () => {
    const stage = {
      ...defaultStage('rloo'),
      ...common,
      num_generations: 8,
      max_completion_length: T,
      beta: BETA,
    };
    const begun = startPolicy(task.reference);
    holds(
      'RLOO',
      await finish(
        begun,
        (s) => rloo(task.context('rloo'), stage, s),
        (policy) => task.objective(policy, BETA),
      ),
    );
  });
});

describe('estimates of the KL, where it is known', { timeout: 120_000 }, () => {
  const episodes = 4096;
  const mean = (values: readonly number[], p: readonly number[]): number =>
    values.reduce((total, value, i) => total + p[i]! * value, 0);
  type Estimator = 'k1' | 'k2' | 'k3' | 'exact';
  /** A policy thirty steps from the reference, π of every completion, and each one's estimates summed over its tokens. */
  async function away(learning_rate: number) {
    const settings = { ...defaultStage('ppo'), ...optimizer, learning_rate };
    const policy = await task.ascend(BETA, 30, settings);
    const p = (await task.logprobs(policy)).map(Math.exp);
    const [own, reference] = [await task.tokenLogprobs(policy), await task.tokenLogprobs(task.reference)];
    const apart = own.map((row, i) => row.map((logp, t) => reference[i]![t]! - logp)); // log(ref/π) of each token
    const total = (of: (d: number) => number) => apart.map((row) => row.reduce((sum, d) => sum + of(d), 0));
    const known: Record<Estimator, number[]> = {
      k1: total((d) => -d),
      k2: total((d) => 0.5 * d * d),
      k3: total((d) => Math.expm1(d) - d),
      exact: (await task.tokenKl(policy)).map((row) => row.reduce((sum, nats) => sum + nats, 0)),
    };
    const average = (of: Estimator) => mean(known[of], p);
    const spread = (of: Estimator) =>
      Math.sqrt(
        mean(
          known[of].map((value) => (value - average(of)) ** 2),
          p,
        ),
      );
    const shown = (Object.keys(known) as Estimator[]).map(
      (of) => `${of} ${average(of).toFixed(5)} ± ${spread(of).toFixed(3)}`,
    );
    console.info(`KL by estimator, mean ± deviation of one completion: ${shown.join(', ')}`);
    return { policy, p, known, average, spread };
  }

  it.each([
    ['near the reference', 5e-4],
    ['far from it', 0.02],
  ])('k1, k3 and the sum over the whole vocabulary agree on average, %s', async (where, learningRate) => {
    const { policy, average, spread } = await away(learningRate);
    policy.dispose();
    expect(average('k3')).toBeCloseTo(average('k1'), 5);
    expect(average('exact')).toBeCloseTo(average('k1'), 5);
    expect(spread('exact')).toBeLessThan(Math.min(spread('k1'), spread('k3')));
    // k3 is the calmer one while policy and reference are close, and k2's error grows as they part.
    if (where === 'near the reference') expect(spread('k3')).toBeLessThan(0.5 * spread('k1'));
    else expect(Math.abs(average('k2') / average('k1') - 1)).toBeGreaterThan(0.02);
  });

  let far: Awaited<ReturnType<typeof away>>;
  beforeAll(async () => {
    far = await away(0.02);
  });
  afterAll(() => far.policy.dispose());

  /** The figure is within four standard errors of the KL. */
  const near = (figure: unknown, estimator: Estimator): void => {
    const kl = far.average('k1');
    expect(Math.abs((figure as number) - kl)).toBeLessThan((4 * far.spread(estimator)) / Math.sqrt(episodes));
    expect(figure).not.toBe(kl);
  };
  const once = { ...optimizer, total_episodes: episodes, per_device_train_batch_size: episodes };

  it.each(['k1', 'k3'] as const)('PPO’s objective/kl by %s is the KL', async (kl_estimator) => {
    const stage = { ...defaultStage('ppo'), ...once, response_length: T, num_ppo_epochs: 1, kl_estimator };
    const begun = await startPpo(stage, far.policy, null, task.model.config.width);
    const figure = await finish(
      begun,
      (s) => ppo(task.context('kl'), stage, s),
      (_, last) => Promise.resolve(last['objective/kl']),
    );
    near(figure, kl_estimator);
  });

  it('GRPO’s kl (k3) and RLOO’s (k1) are the KL a token', async () => {
    const sizes = { ...once, num_generations: 8, max_completion_length: T };
    const perToken = (_: Adapter, last: MetricsRow) => Promise.resolve(T * (last['kl'] as number));
    const group = { ...defaultStage('grpo'), ...sizes };
    near(await finish(startPolicy(far.policy), (s) => grpo(task.context('kl'), group, s), perToken), 'k3');
    const left = { ...defaultStage('rloo'), ...sizes };
    near(await finish(startPolicy(far.policy), (s) => rloo(task.context('kl'), left, s), perToken), 'k1');
  });
});

describe('the entropy bonus', { timeout: 60_000 }, () => {
  /** One update where nothing but the bonus acts: no reward, no price of KL, a critic of zeros that is right. */
  async function update(entropy_coef: number) {
    const seen: number[] = task.sequences.map(() => 0);
    const count = 64;
    const stage = {
      ...{ ...defaultStage('ppo'), ...optimizer, total_episodes: count, per_device_train_batch_size: count },
      ...{ response_length: T, num_ppo_epochs: 1, kl_coef: 0, entropy_coef, learning_rate: 0.01 },
    };
    const context = task.context('entropy', (i) => {
      seen[i]! += 1 / count;
      return 0;
    });
    const begun = await startPpo(stage, task.reference, null, task.model.config.width);
    const entropyOf = async (policy: Adapter): Promise<number> =>
      (await task.entropies(policy)).reduce(
        (total, row, i) => total + (seen[i]! * row.reduce((a, b) => a + b)) / T,
        0,
      );
    return finish(
      begun,
      (s) => ppo(context, stage, s),
      async (policy, last) => ({
        last,
        before: await entropyOf(task.reference),
        after: await entropyOf(policy),
        slope: await task.entropySlope(task.reference, seen),
      }),
    );
  }

  it('is the gradient of the mean entropy times its coefficient, and raises it', async () => {
    const { last, before, after, slope } = await update(0.3);
    expect(last['policy/entropy_avg']).toBeCloseTo(before, 5);
    expect(Math.abs((last['grad_norm'] as number) / (0.3 * slope) - 1)).toBeLessThan(1e-4);
    expect(after).toBeGreaterThan(before + 1e-3);
    expect(last['loss/policy_avg']).toBeCloseTo(0, 9);
  });

  it('does nothing at 0', async () => {
    const { last, before, after } = await update(0);
    expect(last['grad_norm']).toBe(0);
    expect(after).toBe(before);
  });
});
