// SFT and the reward model on the tiny model: they learn, keep the best, repeat themselves to the
// bit, and leave no tensor behind.
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { batchIndices } from '../data/batches';
import { openDevice } from '../engine/device';
import { hash32 } from '../engine/random';
import { tf } from '../engine/tf';
import { loadModel } from '../model/load';
import { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import { rawScores } from '../reward/learned';
import type { RewardStage, SftStage } from '../shared/experiment';
import { PlaygroundError } from '../shared/errors';
import type { MetricsRow, SampleRow } from '../shared/protocol';
import { longerSides } from './preference';
import { normalise, pairMetrics, references, reward, startReward } from './reward';
import { startPolicy } from './rows';
import { sft } from './sft';
import { deviation, disposeState, keepBest, mean, outOfPatience, type TrainState } from './state';

const lora = {
  r: 2,
  lora_alpha: 4,
  lora_dropout: 0,
  target_modules: ['q_proj', 'v_proj'],
  use_rslora: false,
};
const supervised = {
  max_steps: 20,
  per_device_train_batch_size: 8,
  gradient_accumulation_steps: 1,
  save_steps: 10,
  eval_fraction: 0.2,
  eval_steps: 10,
  early_stopping_patience: null,
  group_by_length: true,
  curriculum_steps: 0,
  learning_rate: 2e-2,
  lr_scheduler_type: 'constant' as const,
  warmup_steps: 0,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  weight_decay: 0,
  max_grad_norm: 1,
};
const sftStage: SftStage = { kind: 'sft', metric_for_best_model: 'eval_loss', ...supervised };
const rewardStage: RewardStage = {
  kind: 'reward',
  center_rewards_coefficient: null,
  normalise_samples: 48,
  ...supervised,
};

/** Completions of three tokens that follow from the prompt's last, then EOS; prompts of different lengths. */
const rows = Array.from({ length: 48 }, (_, i) => {
  const prompt = Array.from({ length: 1 + (i % 7) }, (_, t) => 1 + (hash32(i, t) % 9));
  const next = 10 + prompt.at(-1);
  return {
    prompt: `prompt ${i}`,
    ids: [...prompt, next, next + 1, next + 2, 0],
    promptLength: prompt.length,
  };
});
const [heldOut, train] = [rows.slice(0, 8), rows.slice(8)];
/** The chosen completion is made of even tokens, the rejected of odd ones. */
const pairs = rows.map(({ ids, promptLength }, i) => {
  const side = (odd: number) => ({
    ids: [...ids.slice(0, promptLength), ...[0, 1, 2].map((t) => 20 + 2 * (hash32(i, t) % 20) + odd), 0],
    promptLength,
  });
  return { chosen: side(0), rejected: side(1) };
});

let model: LanguageModel;
let start: Adapter;

beforeAll(async () => {
  await openDevice('wasm');
  model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
  start = Adapter.create(model, lora, 1);
});

const timeline = async (generator: AsyncGenerator<MetricsRow>) => {
  const collected: MetricsRow[] = [];
  let before = tf.memory().numTensors;
  for await (const row of generator) {
    collected.push(row);
    // A look may keep a copy of the adapter; a step keeps nothing.
    if (!('eval_loss' in row)) expect(tf.memory().numTensors).toBe(before);
    before = tf.memory().numTensors;
  }
  return collected;
};

async function runSft(changes: Partial<SftStage> = {}, some = train) {
  const state = startPolicy(start);
  const samples: SampleRow[] = [];
  const onSample = (sample: SampleRow) => void samples.push(sample);
  const context = { model, name: 'sft', seed: 3, onSample, train: some, heldOut };
  try {
    return { rows: await timeline(sft(context, { ...sftStage, ...changes }, state)), samples };
  } finally {
    disposeState(state);
  }
}

describe('sft', { timeout: 60_000 }, () => {
  it('learns the completions and when to stop', async () => {
    const before = tf.memory().numTensors;
    const { rows, samples } = await runSft({ max_steps: 60, eval_steps: 30 });
    expect(tf.memory().numTensors).toBe(before);
    expect(rows.length).toBe(60);
    expect(rows.at(-1)['loss']).toBeLessThan(0.5 * (rows[0]!['loss'] as number));
    expect(rows.at(-1)['eval_loss']).toBeLessThan(0.5 * (rows[0]!['loss'] as number));
    expect(rows.at(-1)['eval_perplexity']).toBeCloseTo(Math.exp(rows.at(-1)['eval_loss'] as number), 6);
    const [first, last] = [rows[0]!, rows.at(-1)].map((row) => row['mean_token_accuracy'] as number);
    expect(first).toBeLessThan(0.2);
    expect(last).toBeGreaterThan(0.25); // EOS is one token in four; the rest are drawn at random
    expect(samples.map(({ checkpoint }) => checkpoint)).toEqual([
      ...Array<string>(4).fill('sft@30'),
      ...Array<string>(4).fill('sft@60'),
    ]);
  });

  it('stops early on the metric asked for', async () => {
    const { rows } = await runSft({ learning_rate: 0, eval_steps: 2, early_stopping_patience: 3 });
    expect(rows.length).toBe(8);
    const { rows: more } = await runSft({ eval_steps: 2, early_stopping_patience: 3 });
    expect(more.length).toBe(20);
  });

  it('stops early on the finish rate while the held-out loss still falls', async () => {
    const looks = { max_steps: 120, eval_steps: 2, early_stopping_patience: 4 };
    const { rows } = await runSft({ ...looks, learning_rate: 5e-3, metric_for_best_model: 'finish_rate' });
    const seen = rows.filter((row) => 'finish_rate' in row);
    const rates = seen.map((row) => row['finish_rate'] as number);
    // The best came once, and four looks after it saw none better.
    expect(rates.length - 1 - rates.indexOf(Math.max(...rates))).toBe(4);
    expect(rows.length).toBe(2 * rates.length);
    expect(rows.length).toBeLessThan(120);
    const losses = seen.map((row) => row['eval_loss'] as number);
    expect(losses.at(-1)).toBe(Math.min(...losses));
  });

  it('stops with stage, step and metric when a weight is no number', async () => {
    const state = startPolicy(start);
    const [weight] = state.adapters['policy']!.variables.values();
    tf.tidy(() => weight!.assign(tf.fill(weight!.shape, NaN)));
    const context = { model, name: 'sft-2', seed: 3, onSample: () => undefined, train, heldOut };
    const failure = await timeline(sft(context, sftStage, state)).catch((error: unknown) => error);
    disposeState(state);
    expect(failure).toBeInstanceOf(PlaygroundError);
    expect((failure as PlaygroundError).code).toBe('not-finite');
    expect((failure as PlaygroundError).message).toBe('Stage sft-2, step 1: loss is NaN.');
  });
});

describe('reward', { timeout: 60_000 }, () => {
  const context = () => ({
    model,
    name: 'reward',
    seed: 3,
    onSample: () => undefined,
    train: pairs.slice(8),
    heldOut: pairs.slice(0, 8),
  });

  it('learns to prefer, then scores the policy’s completions with mean 0 and deviation 1', async () => {
    const before = tf.memory().numTensors;
    const state = startReward(context(), start);
    const rows = await timeline(reward(context(), { ...rewardStage, max_steps: 40, eval_steps: 20 }, state));
    expect(rows.at(-1)['eval_accuracy']).toBeGreaterThan(0.9);
    expect(rows.at(-1)['loss']).toBeLessThan(0.5 * (rows[0]!['loss'] as number));
    const { adapter, gain, bias } = await normalise(context(), state.adapters['reward']!, start, 48);
    expect(gain).toBeGreaterThan(0);
    const scores = await rawScores(
      model,
      adapter,
      pairs.map(({ chosen }) => chosen),
    );
    expect(mean(scores.map((score) => gain * score + bias))).toBeGreaterThan(0);
    const normalised = async (seed: number, samples: number): Promise<number[]> => {
      const drawn = await references({ ...context(), seed }, start, samples);
      return (await rawScores(model, adapter, drawn)).map((score) => gain * score + bias);
    };
    const same = await normalised(3, 48);
    expect(mean(same)).toBeCloseTo(0, 6);
    expect(deviation(same)).toBeCloseTo(1, 6);
    // Completions it was not fitted on: within what 200 draws can tell.
    const others = await normalised(4, 200);
    expect(Math.abs(mean(others))).toBeLessThan(0.5);
    expect(Math.abs(Math.log(deviation(others)))).toBeLessThan(0.5);
    disposeState(state);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('asks the chosen completion to lead by the margin of its row', async () => {
    const train = context().train.map((pair, i) => ({ ...pair, margin: i % 2 }));
    const state = startReward(context(), start);
    const one = { ...rewardStage, max_steps: 1, per_device_train_batch_size: 1 };
    const [row] = await timeline(reward({ ...context(), train, heldOut: [] }, one, state));
    disposeState(state);
    const lead = row!['margin'] as number;
    const losses = [0, 1].map((margin) => Math.log1p(Math.exp(margin - lead)));
    const [drawn] = batchIndices(train.length, 1, 0, 3, 'reward', { lengths: longerSides(train) });
    expect(row!['loss']).toBeCloseTo(losses[train[drawn!]!.margin]!, 5);
    expect(losses[1]! - losses[0]!).toBeGreaterThan(0.1);
  });

  it('reads a row the same whatever stands beside it', async () => {
    const head = Adapter.create(model, lora, 2, { head: true });
    const sequences = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]);
    const together = await rawScores(model, head, sequences);
    for (const i of [0, 5, 17])
      expect((await rawScores(model, head, [sequences[i]!]))[0]).toBeCloseTo(together[i]!, 5);
    expect(deviation(together)).toBeGreaterThan(0);
    head.dispose();
  });

  it('measures accuracy and calibration', () => {
    // Nine of ten right at a confidence of σ(ln 9) = 0.9: calibrated.
    const margins = Array.from({ length: 10 }, (_, i) => (i === 0 ? -1 : 1) * Math.log(9));
    const { eval_accuracy, eval_calibration_error, eval_loss } = pairMetrics(margins);
    expect(eval_accuracy).toBeCloseTo(0.9, 10);
    expect(eval_calibration_error).toBeCloseTo(0, 10);
    expect(eval_loss).toBeCloseTo(-0.9 * Math.log(0.9) - 0.1 * Math.log(0.1), 10);
    expect(pairMetrics(margins.map(Math.abs)).eval_calibration_error).toBeCloseTo(0.1, 10);
  });
});

it('keepBest keeps a copy of the best and counts the looks since', () => {
  const adapter = start.clone('policy');
  const state: TrainState = { step: 0, adapters: { policy: adapter }, optimizers: {}, scalars: {} };
  const stops = [1, 3, 2, 2.5].map((score) => {
    keepBest(state, adapter, score, 2);
    return outOfPatience(state, 2);
  });
  expect(stops).toEqual([false, false, false, true]);
  expect(state.scalars['best_score']).toBe(3);
  expect(state.adapters['best']).not.toBe(adapter);
  expect(outOfPatience(state, null)).toBe(false);
  disposeState(state);
});
