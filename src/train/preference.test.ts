// The methods that learn from pairs: golden scalars of the method reference, invariants of the first step, and that on
// the tiny model each learns, accumulates exactly and leaves no tensor behind.
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { hash32 } from '../engine/random';
import { tf } from '../engine/tf';
import { loadModel } from '../model/load';
import { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { defaultStage } from '../shared/validate';
import { dpo, dpoLoss } from './dpo';
import { kto, ktoLoss } from './kto';
import { oddsRatio, orpo } from './orpo';
import { startPolicy } from './preference';
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

describe('golden scalars', () => {
  type Changes = Partial<Pick<StageOf<'dpo'>, 'loss_type' | 'label_smoothing' | 'ipo_length_norm'>>;
  it.each<[string, Changes, number]>([
    ['sigmoid', {}, 0.620957],
    ['hinge', { loss_type: 'hinge' }, 0.85],
    ['robust', { loss_type: 'robust', label_smoothing: 0.1 }, 0.602207],
    ['label-smoothed', { label_smoothing: 0.1 }, 0.635957],
    ['ipo a token', { loss_type: 'ipo' }, 22.2469444],
    ['ipo', { loss_type: 'ipo', ipo_length_norm: false }, 12.25],
  ])('DPO, %s', (_, changes, expected) => {
    const settings = { ...defaultStage('dpo'), beta: 0.1, ...changes };
    const loss = value(dpoLoss(sides(-10, -12), sides(-11, -11.5), sides(5, 6), settings));
    expect(Math.abs(loss / expected - 1)).toBeLessThan(1e-6);
  });

  it('KTO, a good and a bad completion', () => {
    const loss = (ratio: number, label: boolean): number =>
      value(ktoLoss(tf.tensor1d([ratio]), [label], 0.3, { ...defaultStage('kto'), beta: 0.1 }));
    expect(loss(1, true)).toBeCloseTo(0.4825071, 6);
    expect(loss(-0.5, false)).toBeCloseTo(0.4800107, 6);
  });

  it('ORPO, log-odds and their log σ', () => {
    const { logOdds, loss } = oddsRatio(sides(-1, -1.5));
    expect(value(logOdds)).toBeCloseTo(0.7061927, 6);
    expect(-value(loss)).toBeCloseTo(-0.4011355, 6);
  });

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

type Changes = Partial<typeof common> & { gradient_accumulation_steps?: number };
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

  it('accumulates: 8 × 1 and 1 × 8 are the same batch', async () => {
    const once = await run(method, { max_steps: 3 });
    const summed = await run(method, {
      max_steps: 3,
      per_device_train_batch_size: 1,
      gradient_accumulation_steps: 8,
    });
    expect(summed).toEqual(once);
  });
});

describe('at the first step policy and reference are one', () => {
  const zero = ['rewards/chosen', 'rewards/rejected', 'rewards/margins'];
  it.each([
    ['sigmoid', Math.LN2],
    ['robust', Math.LN2],
    ['hinge', 1],
    ['ipo', 25],
  ] as const)('DPO %s begins at its known loss, with margins of exactly 0', async (loss_type, expected) => {
    const state = startPolicy(start);
    const stage = { ...defaultStage('dpo'), ...common, loss_type, max_steps: 1 };
    const row = (await dpo(ofPairs(), stage, state).next()).value as MetricsRow;
    disposeState(state);
    expect([...zero, 'rewards/accuracies'].map((name) => row[name])).toEqual([0, 0, 0, 0]);
    expect(row['loss']).toBeCloseTo(expected, 6);
  });

  it('KTO begins at ½ with a KL of exactly 0', async () => {
    const [row] = await run('kto', { max_steps: 1 });
    expect([...zero, 'kl'].map((name) => row![name])).toEqual([0, 0, 0, 0]);
    expect(row!['loss']).toBe(0.5);
  });
});
