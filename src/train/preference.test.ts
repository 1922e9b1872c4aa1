// The methods that learn from pairs: losses by their formulas, and that on the tiny model each learns and leaves no
// tensor behind. golden-scalars.test.ts has the reference's numbers.
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { hash32 } from '../engine/random';
import { tf } from '../engine/tf';
import { loadModel } from '../model/load';
import { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import type { MetricsRow } from '../shared/protocol';
import { defaultStage } from '../shared/validate';
import { dpo, dpoLoss } from './dpo';
import { kto, mismatched } from './kto';
import { orpo } from './orpo';
import { startPolicy } from './rows';
import { simpo, simpoLoss } from './simpo';
import { disposeState, type TrainState } from './state';

const sides = (chosen: number, rejected: number) => ({
  chosen: tf.tensor1d([chosen]),
  rejected: tf.tensor1d([rejected]),
});
const value = (scalar: tf.Tensor) => scalar.dataSync()[0]!;

beforeAll(async () => {
  await openDevice('wasm');
});

describe('losses', () => {
  it('SimPO, by its formula', () => {
    const settings = { beta: 2, simpo_gamma: 0.5, label_smoothing: 0.1 };
    const lead = 2 * 0.5 - 0.5;
    const expected = 0.9 * Math.log1p(Math.exp(-lead)) + 0.1 * Math.log1p(Math.exp(lead));
    expect(value(simpoLoss(sides(-1, -1.5), settings))).toBeCloseTo(expected, 6);
  });

  it('robust DPO takes flipped labels for what they are, on average', () => {
    const robust = { ...defaultStage('dpo'), loss_type: 'robust' as const, label_smoothing: 0.2 };
    const [policy, reference, lengths] = [sides(-9, -13), sides(-11, -11.5), sides(5, 6)];
    const flip = ({ chosen, rejected }: typeof policy) => ({ chosen: rejected, rejected: chosen });
    const noisy =
      0.8 * value(dpoLoss(policy, reference, lengths, robust)) +
      0.2 * value(dpoLoss(flip(policy), flip(reference), flip(lengths), robust));
    const clean = value(
      dpoLoss(policy, reference, lengths, { ...robust, loss_type: 'sigmoid', label_smoothing: 0 }),
    );
    expect(noisy).toBeCloseTo(clean, 6);
  });
});

const lora = {
  r: 2,
  lora_alpha: 4,
  lora_dropout: 0,
  target_modules: ['q_proj', 'v_proj'],
  use_rslora: false,
};
/** The chosen completion is made of even tokens, the rejected of odd ones; lengths differ. */
const pairs = Array.from({ length: 40 }, (_, i) => {
  const prompt = Array.from({ length: 1 + (i % 7) }, (_, t) => 1 + (hash32(i, t) % 9));
  const side = (odd: number, length: number) => ({
    ids: [...prompt, ...Array.from({ length }, (_, t) => 20 + 2 * (hash32(i, t, odd) % 20) + odd), 0],
    promptLength: prompt.length,
  });
  return { chosen: side(0, 2 + (i % 3)), rejected: side(1, 2 + (i % 4)) };
});
const labelled = pairs.flatMap(({ chosen, rejected }) => [
  { ...chosen, label: true },
  { ...rejected, label: false },
]);

let model: LanguageModel;
let start: Adapter;
beforeAll(async () => {
  model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
  start = Adapter.create(model, lora, 1);
});

const common = {
  max_steps: 12,
  per_device_train_batch_size: 8,
  eval_steps: 6,
  warmup_steps: 0,
  learning_rate: 1e-2,
};
const context = () => ({ model, name: 'stage', seed: 3, onSample: () => undefined, reference: start });
const ofPairs = () => ({ ...context(), train: pairs.slice(8), heldOut: pairs.slice(0, 8) });
const ofLabels = () => ({ ...context(), train: labelled.slice(16), heldOut: labelled.slice(0, 16) });

type Changes = Partial<typeof common>;
const METHODS: Record<string, (state: TrainState, changes: Changes) => AsyncGenerator<MetricsRow>> = {
  dpo: (state, changes) => dpo(ofPairs(), { ...defaultStage('dpo'), ...common, ...changes }, state),
  'dpo ipo': (state, changes) =>
    dpo(ofPairs(), { ...defaultStage('dpo'), ...common, loss_type: 'ipo', rpo_alpha: 1, ...changes }, state),
  kto: (state, changes) => kto(ofLabels(), { ...defaultStage('kto'), ...common, ...changes }, state),
  orpo: (state, changes) => orpo(ofPairs(), { ...defaultStage('orpo'), ...common, ...changes }, state),
  simpo: (state, changes) => simpo(ofPairs(), { ...defaultStage('simpo'), ...common, ...changes }, state),
};

async function run(method: string, changes: Changes = {}): Promise<MetricsRow[]> {
  const before = tf.memory().numTensors;
  const state = startPolicy(start);
  const rows: MetricsRow[] = [];
  const held = tf.memory().numTensors;
  for await (const row of METHODS[method]!(state, changes)) {
    rows.push(row);
    expect(tf.memory().numTensors).toBe(held);
  }
  disposeState(state);
  expect(tf.memory().numTensors).toBe(before);
  return rows;
}

describe.each(Object.keys(METHODS))('%s', { timeout: 60_000 }, (method) => {
  it('learns what was preferred, also where it was not shown', async () => {
    const [before] = await run(method, { max_steps: 1, learning_rate: 1e-9 });
    const after = (await run(method, { max_steps: 30 })).at(-1);
    for (const loss of ['loss', 'eval_loss']) expect(after[loss]).toBeLessThan(before![loss] as number);
    for (const margins of ['rewards/margins', 'eval_rewards/margins']) {
      expect(after[margins]).toBeGreaterThan(0);
      expect(after[margins]).toBeGreaterThan(before![margins] as number);
    }
  });
});

it('KTO meets a prompt with a completion of its own only where there is no other prompt', () => {
  const row = (prompt: number, completion: number) => ({ ids: [1, prompt, completion], promptLength: 2 });
  // As pairs unfold: good and bad of the same prompt side by side.
  const rows = [row(5, 50), row(5, 51), row(6, 60), row(6, 61), row(7, 70)];
  expect(mismatched(rows).map(({ ids }) => ids.slice(1))).toEqual([
    [5, 60],
    [5, 60],
    [6, 70],
    [6, 70],
    [7, 50],
  ]);
  expect(mismatched(rows.slice(0, 2)).map(({ ids }) => ids.slice(1))).toEqual([
    [5, 51],
    [5, 50],
  ]);
});
