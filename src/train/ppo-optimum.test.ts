// PPO against a task whose optimum is known exactly: all 64 sequences of 3 tokens out of 4, a table of logits as the
// policy, a random reference and a random reward. The best policy is π*(y) ∝ ref(y)·e^{r(y)/β}, with J* = β log Z. The
// trainer is the real one; only the language model is replaced by the table.
import { beforeAll, expect, it, vi } from 'vitest';
import { openDevice } from '../engine/device';
import { gatherRows } from '../engine/ops/gather-rows';
import { hash32, normals, uniform } from '../engine/random';
import { tf } from '../engine/tf';
import { Adapter } from '../model/lora';
import type { CompletionBatch, LanguageModel } from '../model/types';
import type { PpoStage } from '../shared/experiment';
import { defaultStage } from '../shared/validate';
import { ppo, startPpo } from './ppo';

const V = 4;
const T = 3;
const STATES = 1 + V + V * V;
const BETA = 0.5;

const table = (adapter: Adapter) => adapter.variables.get('table') as unknown as tf.Tensor2D;
/** Number of the state after some tokens: prefixes in order of length, then alphabet. */
const stateOf = (prefix: readonly number[]) => prefix.reduce((state, token) => V * state + 1 + token, 0);
const hidden = (batch: CompletionBatch) => {
  const states: number[] = [];
  const at: number[] = [];
  for (let b = 0; b < batch.batch; b++) {
    for (let t = 0; t < T; t++) {
      const first = b * batch.length + 1;
      states.push(stateOf(Array.from(batch.ids.subarray(first, first + t))));
      at.push(first + t);
    }
  }
  return { states, at };
};
/** [N] values at their places in [B, T], elsewhere 0. */
const place = (values: tf.Tensor, at: number[], { batch, length }: CompletionBatch) => {
  const slots = new Int32Array(batch * length);
  const kept = new Float32Array(batch * length);
  at.forEach((i, n) => {
    slots[i] = n;
    kept[i] = 1;
  });
  const column = gatherRows(tf.reshape(values, [-1, 1]), tf.tensor1d(slots, 'int32')); // [B·T, 1]
  return tf.mul(tf.reshape(column, [batch, length]), tf.tensor2d(kept, [batch, length]));
};
const rowsOf = (adapter: Adapter, states: number[]) =>
  gatherRows(table(adapter), tf.tensor1d(states, 'int32')); // [N, V]

vi.mock('../model/logprobs', () => ({
  completionLogprobs: (_: LanguageModel, adapter: Adapter, batch: CompletionBatch) => {
    const { states, at } = hidden(batch);
    const all = tf.logSoftmax(rowsOf(adapter, states)); // [N, V]
    const ids = tf.oneHot(
      tf.tensor1d(
        at.map((i) => batch.ids[i]!),
        'int32',
      ),
      V,
    ); // [N, V]
    const logprobs = tf.sum(tf.mul(all, tf.cast(ids, 'float32')), 1); // [N]
    return { logprobs: place(logprobs, at, batch), entropy: tf.zeros([batch.batch, batch.length]) };
  },
}));
vi.mock('../model/heads', () => ({
  completionValues: (_: LanguageModel, adapter: Adapter, batch: CompletionBatch) => {
    const { states, at } = hidden(batch);
    return place(tf.slice(rowsOf(adapter, states), [0, 0], [-1, 1]), at, batch);
  },
}));
vi.mock('../model/generate', () => ({
  generate: (
    _: LanguageModel,
    adapter: Adapter,
    prompts: number[][],
    options: { seed: number; streams: number[] },
  ) => {
    const logits = table(adapter).dataSync();
    const tokens = prompts.map((_, i) => {
      const drawn: number[] = [];
      for (let t = 0; t < T; t++) {
        const weights = Array.from(logits.subarray(V * stateOf(drawn), V * stateOf(drawn) + V), Math.exp);
        let left = uniform(options.seed, options.streams[i]!, t) * weights.reduce((a, b) => a + b);
        drawn.push(weights.findIndex((weight) => (left -= weight) < 0));
      }
      return drawn;
    });
    return Promise.resolve({ tokens, logprobs: [] });
  },
}));

const sequences = Array.from({ length: V ** T }, (_, i) => [
  Math.floor(i / 16),
  Math.floor(i / 4) % 4,
  i % 4,
]);
const rewards = normals(V ** T, 5, 'reward').map((z) => 0.6 * z);
const rewardOf = (tokens: readonly number[]) => rewards[16 * tokens[0]! + 4 * tokens[1]! + tokens[2]!]!;

/** log π(y) of every sequence, in float64. */
function logprobsOf(logits: ArrayLike<number>): number[] {
  return sequences.map((tokens) => {
    let total = 0;
    tokens.forEach((token, t) => {
      const row = V * stateOf(tokens.slice(0, t));
      const weights = [0, 1, 2, 3].map((v) => Math.exp(logits[row + v]!));
      total += Math.log(weights[token]! / weights.reduce((a, b) => a + b));
    });
    return total;
  });
}

beforeAll(async () => {
  await openDevice('wasm');
});

it('comes within 1e-3 of the exact optimum', { timeout: 240_000 }, async () => {
  const settings = { r: 1, lora_alpha: 1, lora_dropout: 0, target_modules: [], use_rslora: false };
  const values = { shape: [STATES, V] as [number, number], values: normals(STATES * V, 5, 'reference') };
  const reference = new Adapter('reference', settings, new Map([['table', values]]));
  const refLogprobs = logprobsOf(values.values);
  const Z = sequences.reduce((sum, y, i) => sum + Math.exp(refLogprobs[i]! + rewardOf(y) / BETA), 0);
  const best = BETA * Math.log(Z);
  const objective = (logits: ArrayLike<number>): number => {
    const logprobs = logprobsOf(logits);
    return sequences.reduce((sum, y, i) => {
      const p = Math.exp(logprobs[i]!);
      return sum + p * (rewardOf(y) - BETA * (logprobs[i]! - refLogprobs[i]!));
    }, 0);
  };
  const stage: PpoStage = {
    ...defaultStage('ppo'),
    reward: { kind: 'rule', name: 'table' },
    total_episodes: 250 * 128,
    per_device_train_batch_size: 128,
    gradient_accumulation_steps: 1,
    save_steps: 1,
    num_mini_batches: 1,
    num_ppo_epochs: 4,
    response_length: T,
    temperature: 1,
    learning_rate: 0.05,
    lr_scheduler_type: 'linear',
    warmup_steps: 0,
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
    weight_decay: 0,
    max_grad_norm: null,
    kl_coef: BETA,
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
  const state = await startPpo(stage, reference, null, 1);
  state.adapters['critic']!.variables.get('table')!.assign(tf.zeros([STATES, V]));
  const model = { config: { context: 16, eosId: null, width: 1 } } as unknown as LanguageModel;
  const context = {
    model,
    name: 'ppo',
    seed: hash32('optimum'),
    onSample: () => undefined,
    prompts: [{ text: '', ids: [0] }],
    reference,
    reward: (rows: readonly { tokens: readonly number[] }[]) =>
      Promise.resolve(rows.map(({ tokens }) => rewardOf(tokens))),
  };
  const start = objective(values.values);
  const steps = ppo(context, stage, state);
  while (!(await steps.next()).done);
  const reached = objective(table(state.adapters['policy']!).dataSync());
  expect(best - start).toBeGreaterThan(0.2);
  expect(reached).toBeLessThanOrEqual(best + 1e-6);
  expect(best - reached).toBeLessThan(1e-3);
});
