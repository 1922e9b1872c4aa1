// Thirty steps of every method on the tiny model, pinned: whoever changes a formula, a default or an order of draws sees
// it here. A number may differ by 1e-3 of the largest of its kind, which leaves room for other kernels and none for
// other formulas: a setting that is off by one per cent is caught. To pin anew what is meant to differ:
//   PIN=1 npm run test:unit -- src/train/trajectories.test.ts
import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it, vi } from 'vitest';
import pinned from '../../tests/fixtures/trajectories.json';
import { nodeDirectory } from '../../tests/node-files';
import { FIRST_STEP, firstRows, tinyMethods } from '../../tests/tiny-methods';
import { columnsOf, driftOf, type Trajectory } from '../../tests/trajectory';
import type * as MicroBatches from '../data/micro-batches';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { loadModel } from '../model/load';
import { methodOf, STAGE_KINDS } from '../shared/methods';

const cut = vi.hoisted(() => ({ alone: false }));
vi.mock('../data/micro-batches', async (original) => {
  const real = await original<typeof MicroBatches>();
  const chunks: typeof real.chunks = (rows, ...rest) =>
    cut.alone ? Array.from(rows, (row) => [row]) : real.chunks(rows, ...rest);
  const microBatches: typeof real.microBatches = (sequences, context, rows) =>
    cut.alone
      ? Array.from(rows ?? sequences.keys()).flatMap((row) => real.microBatches(sequences, context, [row]))
      : real.microBatches(sequences, context, rows);
  return {
    ...real,
    chunks,
    microBatches,
    get MICRO_BATCH_TOKENS() {
      return cut.alone ? 1 : real.MICRO_BATCH_TOKENS;
    },
  };
});

await openDevice('wasm');
const model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
const { methods } = tinyMethods(model);
const TOLERANCE = 1e-3;

const fixture = pinned as Record<string, Trajectory>;
const anew = process.env['PIN'] === '1';
const found: Record<string, Trajectory> = {};
afterAll(() => {
  if (anew)
    writeFileSync('tests/fixtures/trajectories.json', `${JSON.stringify({ ...fixture, ...found })}\n`);
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

  it('gives the same when every row is computed alone and accumulated', async () => {
    cut.alone = true;
    const rows = await firstRows(methods[name]!, 6).finally(() => (cut.alone = false));
    expect(driftOf(columnsOf(rows), fixture[name]!)).toBeLessThan(TOLERANCE);
  });
});

it('pins every method there is', () => {
  expect(Object.keys(fixture).sort()).toEqual(Object.keys(methods).sort());
  const kinds = new Set(Object.keys(methods).map((name) => name.split(' ')[0]));
  expect([...kinds].sort()).toEqual(STAGE_KINDS.filter((kind) => methodOf(kind).leaves !== undefined).sort());
});

it.each([
  ['sft', { learning_rate: 5.05e-3 }],
  ['reward', { center_rewards_coefficient: 0.0101 }],
  ['ppo in detail', { lam: 0.909 }],
  ['ppo in detail', { vf_coef: 0.303 }],
  ['ppo in detail', { entropy_coef: 0.0505 }],
  ['ppo k3', { kl_coef: 0.202 }],
  ['dpo', { beta: 0.101 }],
  ['kto', { undesirable_weight: 1.515 }],
  ['orpo', { beta: 0.101 }],
  ['simpo', { simpo_gamma: 0.505 }],
  ['grpo', { beta: 0.0505 }],
  ['grpo sequences', { epsilon: 5.05e-3 }],
  ['rloo', { beta: 0.0505 }],
  ['reinforce', { beta: 0.0505 }],
  ['online_dpo', { beta: 0.101 }],
])('%s strays from its pins with %j, one per cent off', { timeout: 60_000 }, async (name, changes) => {
  const rows = await firstRows(methods[name]!, 12, changes);
  expect(driftOf(columnsOf(rows), fixture[name]!)).toBeGreaterThan(TOLERANCE);
});

it.each(FIRST_STEP)('$name begins exactly where it must', async ({ name, changes, exactly }) => {
  const [row] = await firstRows(methods[name]!, 1, changes);
  expect(row).toMatchObject(exactly);
});
