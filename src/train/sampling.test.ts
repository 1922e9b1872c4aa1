// The methods that learn from their own samples: losses and advantages by their definitions (golden-scalars.test.ts has
// the reference's numbers), and that on the tiny model each learns and leaves no tensor behind.
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { loadModel } from '../model/load';
import { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import type { RewardFunction } from '../reward';
import type { MetricsRow } from '../shared/protocol';
import { defaultStage } from '../shared/validate';
import { grpo, groupAdvantages, grpoLoss, tokenWeights } from './grpo';
import { onlineDpo } from './online-dpo';
import { startPolicy } from './rows';
import { reinforce } from './reinforce';
import { bestOfGroups, rft } from './rft';
import { normalised, rloo, rlooLoss } from './rloo';
import { disposeState, type TrainState } from './state';

const close = (actual: readonly number[], expected: readonly number[]) =>
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6));

beforeAll(async () => {
  await openDevice('wasm');
});

describe('losses and advantages', () => {
  it('GRPO’s advantages without scaling', () => {
    close(groupAdvantages([1, 0, 0.5, 2], 4, 'none'), [0.125, -0.875, -0.375, 1.125]);
  });

  it('GRPO scales by the group or by the batch', () => {
    const scores = [0, 1, 0, 100];
    const byGroup = groupAdvantages(scores, 2, 'group');
    expect(byGroup[3]).toBeCloseTo(byGroup[1]!, 3);
    const byBatch = groupAdvantages(scores, 2, 'batch');
    expect(byBatch[3]! / byBatch[1]!).toBeCloseTo(100, 6);
    expect(groupAdvantages([3, 3, 3], 3, 'group')).toEqual([0, 0, 0]);
  });

  it('GRPO’s ways of counting tokens', () => {
    const lengths = [1, 3, 2, 2];
    const of = (type: Parameters<typeof tokenWeights>[1]) =>
      tokenWeights(lengths, type, { deviceBatch: 2, longest: 10 });
    close(of('grpo'), [1 / 4, 1 / 12, 1 / 8, 1 / 8]);
    close(of('dapo'), [1 / 8, 1 / 8, 1 / 8, 1 / 8]);
    close(of('bnpo'), [1 / 8, 1 / 8, 1 / 8, 1 / 8]);
    close(tokenWeights([1, 1, 3, 3], 'bnpo', { deviceBatch: 2, longest: 10 }), [
      1 / 4,
      1 / 4,
      1 / 12,
      1 / 12,
    ]);
    close(of('dr_grpo'), [1 / 40, 1 / 40, 1 / 40, 1 / 40]);
  });

  it('clipped losses as PPO’s: A = [1, −1, 2], ratios [1.3, 0.7, 0.9]', async () => {
    const logprobs = tf.log(tf.tensor2d([[1.3], [0.7], [0.9]]));
    const [old, ones] = [tf.zeros<tf.Rank.R2>([3, 1]), tf.ones<tf.Rank.R2>([3, 1])];
    const advantages = tf.tensor2d([[1], [-1], [2]]);
    const settings = {
      beta: 0,
      epsilon: 0.2,
      epsilon_high: null,
      importance_sampling_level: 'token' as const,
    };
    const given = { old, reference: old, advantages, weights: ones };
    const { loss, low, high } = grpoLoss(logprobs, given, settings, 3);
    close(
      [...(await loss.data()), ...(await low.data()), ...(await high.data())],
      [-1.2 + 0.8 - 1.8, ...[0, 1, 0], ...[1, 0, 0]],
    );
    const whole = rlooLoss(logprobs, old, tf.tensor1d([1, -1, 2]), 0.2, 3);
    close([...(await whole.loss.data())], [(-1.2 + 0.8 - 1.8) / 3]);
    const wider = grpoLoss(logprobs, given, { ...settings, epsilon_high: 0.4 }, 3);
    close([...(await wider.loss.data())], [-1.3 + 0.8 - 1.8]);
  });

  it('GSPO’s ratio is the geometric mean over the tokens of a row', async () => {
    const logprobs = tf.log(tf.tensor2d([[1.4, 0.9, 1]]));
    const zero = tf.zeros<tf.Rank.R2>([1, 3]);
    const given = {
      old: zero,
      reference: zero,
      advantages: tf.tensor2d([[1, 1, 0]]),
      weights: tf.tensor2d([[0.5, 0.5, 0]]),
    };
    const settings = {
      beta: 0,
      epsilon: 0.2,
      epsilon_high: null,
      importance_sampling_level: 'sequence' as const,
    };
    const { loss } = grpoLoss(logprobs, given, settings, 2);
    close([...(await loss.data())], [-Math.sqrt(1.4 * 0.9)]);
  });

  it('RLOO brings advantages to mean 0 and deviation 1, and takes equals for what they are', () => {
    close(normalised([1, 2, 3]), [-1 / 1.0001, 0, 1 / 1.0001]);
    expect(normalised([2, 2, 2])).toEqual([0, 0, 0]);
  });

  it('the best of each group, the first of equals', () => {
    expect(bestOfGroups([1, 3, 3, 0, 0, -1], 3)).toEqual([1, 3]);
  });
});

const lora = {
  r: 2,
  lora_alpha: 4,
  lora_dropout: 0,
  target_modules: ['q_proj', 'v_proj'],
  use_rslora: false,
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
  model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
  reference = Adapter.create(model, lora, 1);
});

const common = {
  total_episodes: 16,
  per_device_train_batch_size: 16,
  gradient_accumulation_steps: 1,
  learning_rate: 1e-2,
  lr_scheduler_type: 'constant' as const,
};
const long = { max_completion_length: 8 };
const context = () => ({
  model,
  name: 'stage',
  seed: 3,
  onSample: () => undefined,
  prompts,
  reference,
  reward,
});
type Changes = Partial<typeof common>;
const METHODS: Record<string, (state: TrainState, changes: Changes) => AsyncGenerator<MetricsRow>> = {
  grpo: (state, changes) =>
    grpo(context(), { ...defaultStage('grpo'), ...common, ...long, num_iterations: 2, ...changes }, state),
  rloo: (state, changes) =>
    rloo(context(), { ...defaultStage('rloo'), ...common, ...long, ...changes }, state),
  reinforce: (state, changes) =>
    reinforce(context(), { ...defaultStage('reinforce'), ...common, ...long, ...changes }, state),
  online_dpo: (state, changes) =>
    onlineDpo(context(), { ...defaultStage('online_dpo'), ...common, max_new_tokens: 8, ...changes }, state),
  rft: (state, changes) =>
    rft(
      context(),
      { ...defaultStage('rft'), ...common, max_new_tokens: 8, sample_from: 'policy', ...changes },
      state,
    ),
};

async function run(method: string, changes: Changes = {}): Promise<MetricsRow[]> {
  const before = tf.memory().numTensors;
  const state = startPolicy(reference);
  const held = tf.memory().numTensors;
  const rows: MetricsRow[] = [];
  for await (const row of METHODS[method]!(state, changes)) {
    rows.push(row);
    expect(tf.memory().numTensors).toBe(held);
  }
  disposeState(state);
  expect(tf.memory().numTensors).toBe(before);
  return rows;
}

describe.each(Object.keys(METHODS))('%s', { timeout: 120_000 }, (method) => {
  it('begins with a KL of exactly 0 and moves', async () => {
    const [first, second] = await run(method, { total_episodes: 32 });
    expect(first!['objective/kl']).toBe(0);
    expect(second!['objective/kl']).not.toBe(0);
    expect(first!['grad_norm']).toBeGreaterThan(0);
    if (method === 'online_dpo') expect(first!['loss']).toBeCloseTo(Math.LN2, 6);
  });

  it('learns what is rewarded', async () => {
    const rows = await run(method, { total_episodes: 16 * 30 });
    const scores = rows.map((row) => row['objective/scores'] as number);
    const mean = (some: number[]) => some.reduce((a, b) => a + b) / some.length;
    expect(mean(scores.slice(-6))).toBeGreaterThan(mean(scores.slice(0, 6)) + 0.1);
  });
});
