// The invariants of PPO's first updates on the tiny model, with every tensor accounted for. A PPO whose KL and losses
// are exactly 0 while it "trains" is how such projects fail.
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { joined } from '../data/batches';
import { microBatches, perToken } from '../data/micro-batches';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { completionValues } from '../model/heads';
import { loadModel } from '../model/load';
import { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import type { RewardFunction } from '../reward';
import { learnedReward } from '../reward/learned';
import type { PpoStage } from '../shared/experiment';
import { PlaygroundError } from '../shared/errors';
import type { MetricsRow, SampleRow } from '../shared/protocol';
import { defaultStage } from '../shared/validate';
import { ppo, startPpo } from './ppo';
import { deviation, disposeState } from './state';

const lora = {
  r: 2,
  lora_alpha: 4,
  lora_dropout: 0,
  target_modules: ['q_proj', 'v_proj'],
  use_rslora: false,
};
const stage: PpoStage = {
  ...defaultStage('ppo'),
  reward: { kind: 'rule', name: 'unused' },
  total_episodes: 24,
  per_device_train_batch_size: 8,
  gradient_accumulation_steps: 1,
  save_steps: 10,
  num_mini_batches: 1,
  num_ppo_epochs: 2,
  response_length: 10,
  temperature: 1,
  learning_rate: 1e-2,
  lr_scheduler_type: 'constant',
  warmup_steps: 0,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  weight_decay: 0,
  max_grad_norm: null,
  kl_coef: 0.05,
  kl_estimator: 'k1',
  kl_target: null,
  kl_horizon: 10_000,
  cliprange: 0.2,
  cliprange_value: 0.2,
  vf_coef: 0.1,
  gamma: 1,
  lam: 0.95,
  whiten_rewards: false,
  missing_eos_penalty: null,
  target_kl: null,
};
const prompts = Array.from({ length: 12 }, (_, i) => ({
  text: `prompt ${i}`,
  ids: Array.from({ length: 2 + (i % 5) }, (_, t) => 1 + ((7 * i + 3 * t) % 96)),
}));
/** Even tokens are good. */
const reward: RewardFunction = (rows) =>
  Promise.resolve(rows.map(({ tokens }) => tokens.filter((id) => id % 2 === 0).length / tokens.length));

let model: LanguageModel;
let reference: Adapter;

beforeAll(async () => {
  await openDevice('wasm');
  model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
  reference = Adapter.create(model, lora, 1);
});

async function run(
  changes: Partial<PpoStage> = {},
  scored = reward,
  onSample: (sample: SampleRow) => void = () => undefined,
): Promise<MetricsRow[]> {
  const settings = { ...stage, ...changes };
  const state = await startPpo(settings, reference, null, model.config.width);
  const context = {
    model,
    name: 'ppo',
    seed: 3,
    onSample,
    prompts,
    reference,
    reward: scored,
  };
  const rows: MetricsRow[] = [];
  try {
    let before = tf.memory().numTensors;
    for await (const row of ppo(context, settings, state)) {
      rows.push(row);
      expect(tf.memory().numTensors).toBe(before);
      before = tf.memory().numTensors;
    }
  } finally {
    disposeState(state);
  }
  return rows;
}

const timeless = (rows: MetricsRow[]) => rows.map((row) => ({ ...row, eps: 0 }));

describe('ppo', { timeout: 60_000 }, () => {
  it('starts at KL exactly 0 and a ratio of exactly 1', async () => {
    const [first] = await run({ num_ppo_epochs: 1, total_episodes: 8 });
    expect(first!['objective/kl']).toBe(0);
    expect(first!['val/ratio']).toBe(1);
    expect(first!['policy/approxkl_avg']).toBe(0);
    expect(first!['policy/clipfrac_avg']).toBe(0);
  });

  it.each([2, 4, 8])('has a ratio of exactly 1 in %i minibatches until something is learnt', async (cuts) => {
    const some = { num_ppo_epochs: 1, total_episodes: 8, num_mini_batches: cuts };
    // What the first of them is must be true of all where none changes the policy.
    const [still] = await run({ ...some, learning_rate: 0 });
    expect([still!['val/ratio'], still!['val/ratio_var'], still!['policy/approxkl_avg']]).toEqual([1, 0, 0]);
    const [moved] = await run(some);
    expect(moved!['val/ratio_var']).toBeGreaterThan(0);
  });

  it('begins with a critic whose value after the last token is the reward model’s score', async () => {
    const adapter = Adapter.create(model, lora, 2, { head: true });
    const learned = { adapter, gain: 3, bias: -0.7 };
    const rows = prompts.map(({ text, ids }, i) => ({
      prompt: text,
      promptIds: ids,
      tokens: [5, 9 + i, 30 - i],
    }));
    const scores = await learnedReward(model, learned)(rows);
    const { adapters, optimizers, scalars } = await startPpo(stage, reference, learned, model.config.width);
    const ended = rows.map(({ promptIds, tokens }) => joined(promptIds, [...tokens, 0]));
    const values = await perToken(microBatches(ended, model.config.context), (batch) =>
      completionValues(model, adapters['critic']!, batch),
    );
    values.forEach((row, i) => expect(row[3]! + scalars['value_bias']!).toBeCloseTo(scores[i]!, 5));
    expect(deviation(scores)).toBeGreaterThan(0.1);
    disposeState({ step: 0, adapters, optimizers, scalars });
    adapter.dispose();
  });

  it('moves: after the first epochs approxkl, loss and gradient are not 0, with the next rollout KL is not', async () => {
    const [first, second] = await run();
    expect(first!['policy/approxkl_avg']).toBeGreaterThan(0);
    expect(first!['loss/policy_avg']).not.toBe(0);
    expect(first!['grad_norm']).toBeGreaterThan(0);
    expect(second!['objective/kl']).not.toBe(0);
  });

  it('writes down what an update made of each token: the ratios that a second epoch begins with', async () => {
    const one = { total_episodes: 2, per_device_train_batch_size: 2, save_steps: 1 };
    const samples: SampleRow[] = [];
    await run({ ...one, num_ppo_epochs: 1 }, reward, (sample) => samples.push(sample));
    expect(samples.map(({ checkpoint, seed }) => [checkpoint, seed])).toEqual([
      ['ppo@1', 0],
      ['ppo@1', 1],
    ]);
    const ratios = samples.flatMap(({ tokens }) =>
      tokens!.new_logprob!.map((logprob, t) => Math.exp(logprob - tokens!.logprob[t]!)),
    );
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
    const [both] = await run({ ...one, num_ppo_epochs: 2 });
    expect(mean).not.toBe(1);
    expect((1 + mean) / 2).toBeCloseTo(both!['val/ratio'] as number, 4);
    const whitened = samples.flatMap(({ tokens }) => tokens!.whitened!);
    expect(whitened.reduce((sum, advantage) => sum + advantage, 0)).toBeCloseTo(0, 2);
  });

  it('learns what is rewarded', async () => {
    const rows = await run({ total_episodes: 240 });
    const score = (row: MetricsRow) => row['objective/scores'] as number;
    const early = rows.slice(0, 5).reduce((sum, row) => sum + score(row), 0) / 5;
    const late = rows.slice(-5).reduce((sum, row) => sum + score(row), 0) / 5;
    expect(late).toBeGreaterThan(early + 0.2);
  });

  it('gives the same numbers twice, and others with another cut into minibatches', async () => {
    const once = timeless(await run());
    expect(timeless(await run())).toEqual(once);
    expect(timeless(await run({ num_mini_batches: 2 }))[1]).not.toEqual(once[1]);
  });

  it('takes the penalty off the score of completions that do not end', async () => {
    const [free] = await run({ total_episodes: 8 });
    const [charged] = await run({ total_episodes: 8, missing_eos_penalty: 1 });
    const unfinished = 1 - (free!['finish_rate'] as number);
    expect(unfinished).toBeGreaterThan(0);
    expect((free!['objective/scores'] as number) - (charged!['objective/scores'] as number)).toBeCloseTo(
      unfinished,
      6,
    );
  });

  it('steers the KL coefficient when asked to', async () => {
    const rows = await run({ kl_target: 1000, kl_horizon: 8 });
    expect(rows.map((row) => row['objective/kl_coef'])).toEqual([0.05, 0.05 * 0.8, 0.05 * 0.8 * 0.8]);
  });

  it('ends an update early past target_kl', async () => {
    const [all] = await run({ num_ppo_epochs: 6, total_episodes: 8 });
    const [stopped] = await run({ num_ppo_epochs: 6, total_episodes: 8, target_kl: 1e-9 });
    const [two] = await run({ num_ppo_epochs: 2, total_episodes: 8 });
    expect(stopped!['policy/approxkl_avg']).toBe(two!['policy/approxkl_avg']);
    expect(all!['policy/approxkl_avg']).not.toBe(two!['policy/approxkl_avg']);
  });

  it('stops with the stage, step and metric when a score is no number, and leaves nothing behind', async () => {
    const before = tf.memory().numTensors;
    const failure = await run({}, () => Promise.resolve(Array<number>(8).fill(NaN))).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(PlaygroundError);
    expect((failure as PlaygroundError).code).toBe('not-finite');
    expect((failure as PlaygroundError).message).toContain('ppo, update 1: objective/rlhf_reward is NaN');
    expect(tf.memory().numTensors).toBe(before);
  });
});
