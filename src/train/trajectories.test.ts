// Thirty steps of every method on the tiny model, pinned: whoever changes a formula, a default or an order of draws sees
// it here. A number may differ by 1e-3 of the largest of its kind, which leaves room for other kernels and none for
// other formulas: a setting that is off by one per cent is caught. To pin anew what is meant to differ:
//   PIN=1 npm run test:unit -- src/train/trajectories.test.ts
import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it, vi } from 'vitest';
import pinned from '../../tests/fixtures/trajectories.json';
import { nodeDirectory } from '../../tests/node-files';
import { FIRST_STEP, missed } from '../../tests/first-steps';
import { type Changes, firstRows, tinyMethods } from '../../tests/tiny-methods';
import { columnsOf, driftOf, type Trajectory } from '../../tests/trajectory';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { loadModel } from '../model/load';
import { methodOf, STAGE_KINDS } from '../shared/methods';
import type * as Optimizer from './optimizer';

/** Rows of every micro-batch that was learnt from. */
const learnt = vi.hoisted(() => ({ rows: [] as number[] }));
vi.mock('./optimizer', async (original) => {
  const real = await original<typeof Optimizer>();
  const gradientsOver: typeof real.gradientsOver = (batches, ...rest) => {
    for (const each of batches as readonly { rows?: number[]; batch: number }[])
      learnt.rows.push(each.rows?.length ?? each.batch);
    return real.gradientsOver(batches, ...rest);
  };
  return { ...real, gradientsOver };
});

await openDevice('wasm');
const model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
const { methods } = tinyMethods(model);
const TOLERANCE = 1e-3;

const fixture = pinned as Record<string, Trajectory>;
const anew = process.env['PIN'] === '1';
const found: Record<string, Trajectory> = {};
afterAll(() => {
  if (anew) writeFileSync('tests/fixtures/trajectories.json', `${JSON.stringify(found)}\n`);
});

describe.each(Object.keys(methods))('%s', { timeout: 60_000 }, (name) => {
  it('takes the thirty steps that are pinned', async () => {
    const before = tf.memory().numTensors;
    const rows = await firstRows(methods[name]!, 30);
    expect(tf.memory().numTensors).toBe(before);
    expect(rows).toHaveLength(30);
    found[name] = columnsOf(rows);
    if (anew) fixture[name] = found[name];
    expect(driftOf(found[name], fixture[name]!)).toBeLessThan(TOLERANCE);
  });

  // bnpo is about the parts that a batch is computed in.
  it.skipIf(name === 'grpo bnpo')('gives the same when a batch is accumulated row by row', async () => {
    const batch = name === 'pretrain' ? 4 : 8;
    learnt.rows.length = 0;
    const alone = { per_device_train_batch_size: 1, gradient_accumulation_steps: batch };
    const rows = await firstRows(methods[name]!, 6, alone);
    expect(driftOf(columnsOf(rows), fixture[name]!)).toBeLessThan(TOLERANCE);
    expect(Math.max(...learnt.rows)).toBe(1);
    expect(learnt.rows.length).toBeGreaterThanOrEqual(2 * 6);
  });

  it('learns from no more rows at once than are asked for, and from as many', async () => {
    learnt.rows.length = 0;
    const some = { per_device_train_batch_size: 4, gradient_accumulation_steps: 2 };
    await firstRows(methods[name]!, 1, some);
    // Of what online DPO samples, two completions are a pair; rft learns from one in four.
    expect(Math.max(...learnt.rows)).toBe(name === 'online_dpo' || name.startsWith('rft') ? 2 : 4);
  });
});

it('pins every method there is', () => {
  expect(Object.keys(fixture).sort()).toEqual(Object.keys(methods).sort());
  const kinds = new Set(Object.keys(methods).map((name) => name.split(' ')[0]));
  expect([...kinds].sort()).toEqual([...TRAINED].sort());
});

const TRAINED = STAGE_KINDS.filter((kind) => methodOf(kind).leaves !== undefined);

/** Settings that are factors in a formula, one per cent off. */
const ONE_PER_CENT: [string, Changes][] = [
  ...TRAINED.map((kind): [string, Changes] => [kind, { learning_rate: kind === 'rft' ? 0.0202 : 5.05e-3 }]),
  ...TRAINED.filter((kind) => 'total_episodes' in methodOf(kind).settings).flatMap(
    (kind): [string, Changes][] => [
      [kind, { temperature: 1.01 }],
      [kind, { missing_eos_penalty: 0.2525 }],
    ],
  ),
  ['reward', { center_rewards_coefficient: 0.0101 }],
  ['ppo in detail', { cliprange: 0.0505 }],
  ['ppo in detail', { cliprange_value: 0.0505 }],
  ['ppo in detail', { gamma: 0.9595 }],
  ['ppo in detail', { lam: 0.909 }],
  ['ppo in detail', { vf_coef: 0.303 }],
  ['ppo in detail', { entropy_coef: 0.0505 }],
  ['ppo in detail', { score_clip: 1.515 }],
  ['ppo in detail', { kl_target: 0.202 }],
  ['ppo in detail', { kl_horizon: 20.2 }],
  ['ppo in detail', { adam_epsilon: 5.05e-3 }],
  ['ppo k3', { kl_coef: 0.202 }],
  ['dpo', { beta: 0.101 }],
  ['dpo ipo', { beta: 0.101 }],
  ['dpo ipo', { rpo_alpha: 0.505 }],
  ['dpo robust', { label_smoothing: 0.101 }],
  ['kto', { beta: 0.101 }],
  ['kto', { undesirable_weight: 1.515 }],
  ['kto', { desirable_weight: 1.01 }],
  ['orpo', { beta: 0.101 }],
  ['simpo', { beta: 2.02 }],
  ['simpo', { simpo_gamma: 0.505 }],
  ['simpo', { cpo_alpha: 0.505 }],
  ['simpo', { label_smoothing: 0.101 }],
  ['grpo', { beta: 0.0505 }],
  ['grpo', { epsilon: 0.0101 }],
  ['grpo sequences', { epsilon: 5.05e-3 }],
  ['grpo sequences', { epsilon_high: 0.0101 }],
  ['rloo', { beta: 0.0505 }],
  ['rloo', { epsilon: 0.0202 }],
  ['rloo whitened', { score_clip: 0.606 }],
  ['reinforce', { beta: 0.0505 }],
  ['online_dpo', { beta: 0.101 }],
];

/** Metrics that only repeat a setting. */
const REPEATS: Record<string, string[]> = {
  learning_rate: ['learning_rate', 'lr'],
  beta: ['beta'],
  kl_coef: ['objective/kl_coef'],
};

it.each(ONE_PER_CENT)('%s strays from its pins with %j', { timeout: 60_000 }, async (name, changes) => {
  const told = Object.keys(changes).flatMap((key) => REPEATS[key] ?? []);
  const without = (columns: Trajectory): Trajectory =>
    Object.fromEntries(Object.entries(columns).filter(([metric]) => !told.includes(metric)));
  let drift = 0;
  // Most stray at once, even beside the largest value of the whole run.
  for (const steps of [2, 12]) {
    const rows = await firstRows(methods[name]!, steps, changes);
    drift = driftOf(without(columnsOf(rows)), without(fixture[name]!), { whole: steps === 2 });
    if (drift > TOLERANCE) break;
  }
  expect(drift).toBeGreaterThan(TOLERANCE);
});

it('every setting that is a factor is among them', () => {
  const changed = new Set(
    ONE_PER_CENT.flatMap(([name, changes]) =>
      Object.keys(changes).map((key) => `${name.split(' ')[0]} ${key}`),
    ),
  );
  const factors = ONE_PER_CENT.flatMap(([, changes]) => Object.keys(changes));
  const missing = TRAINED.flatMap((kind) =>
    [...new Set(factors)].filter((key) => key in methodOf(kind).settings).map((key) => `${kind} ${key}`),
  ).filter((each) => !changed.has(each));
  // One optimizer serves all; smoothing is pinned where labels may be wrong.
  expect(missing.filter((each) => !each.endsWith('adam_epsilon'))).toEqual([]);
});

it.each(FIRST_STEP)('$name with $changes begins exactly where it must', async (first) => {
  const [row] = await firstRows(methods[first.name]!, 1, first.changes, first.prepare);
  expect(missed(first, row!)).toEqual([]);
});
