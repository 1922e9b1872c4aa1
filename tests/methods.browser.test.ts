// The methods on both backends: golden scalars, what the first step must be exactly, and the first steps of every pinned
// trajectory (src/train/trajectories.test.ts pins all thirty, on wasm), which WebGPU must follow as closely as wasm.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { onDeviceProblem, openDevice } from '../src/engine/device';
import { disposeModel, loadModel } from '../src/model/load';
import type { LanguageModel } from '../src/model/types';
import type { PlaygroundError } from '../src/shared/errors';
import { defaultStage } from '../src/shared/validate';
import { startPolicy } from '../src/train/preference';
import { rloo } from '../src/train/rloo';
import { disposeState } from '../src/train/state';
import { directory } from './browser-files';
import { transformerTask } from './enumerable-model';
import pinned from './fixtures/trajectories.json';
import { scalarErrors } from './golden-scalars';
import { FIRST_STEP, firstRows, tinyMethods } from './tiny-methods';
import { columnsOf, driftOf, type Trajectory } from './trajectory';

const problems: PlaygroundError[] = [];
onDeviceProblem((problem) => problems.push(problem));
afterEach(() => {
  expect(problems.splice(0)).toEqual([]);
});

const STEPS = 3;
/** How far RLOO came on each backend, as a share of the way to the optimum. */
const climbed: number[] = [];

describe.each(['wasm', 'webgpu'] as const)('%s', { timeout: 120_000 }, (backend) => {
  let model: LanguageModel;
  let tiny: ReturnType<typeof tinyMethods>;
  beforeAll(async () => {
    await openDevice(backend);
    model = await loadModel('tiny', directory('fixtures/gpt-neo-tiny/model'));
    tiny = tinyMethods(model);
  });
  afterAll(() => {
    tiny.start.dispose();
    disposeModel(model);
  });

  test('every golden scalar is met to 1e-6', async () => {
    expect((await scalarErrors()).filter(({ error }) => !(error <= 1e-6))).toEqual([]);
  });

  test.each(FIRST_STEP)('$name begins exactly where it must', async ({ name, changes, exactly }) => {
    const [row] = await firstRows(tiny.methods[name]!, 1, changes);
    expect(row).toMatchObject(exactly);
  });

  test.each(Object.entries(pinned as Record<string, Trajectory>))(
    '%s takes its first steps',
    async (name, all) => {
      const rows = await firstRows(tiny.methods[name]!, STEPS);
      const drift = driftOf(columnsOf(rows), all);
      expect(drift).toBeLessThan(1e-3);
    },
  );

  test('RLOO climbs towards the exact optimum, as far as on the other', async () => {
    const task = await transformerTask(4, 2);
    const beta = 0.5;
    const stage = {
      ...{
        ...defaultStage('rloo'),
        per_device_train_batch_size: 64,
        total_episodes: 8 * 64,
        num_generations: 8,
      },
      ...{ max_completion_length: 2, max_grad_norm: null, learning_rate: 0.03, beta },
    };
    const state = startPolicy(task.reference);
    for await (const row of rloo(task.context('rloo'), stage, state)) expect(row.stage).toBe('rloo');
    const reached = await task.objective(state.adapters['policy']!, beta);
    disposeState(state);
    const share = (reached - task.start) / (task.best(beta) - task.start);
    task.dispose();
    expect(share).toBeGreaterThan(0.5);
    expect(share).toBeLessThan(1);
    climbed.push(share);
    expect(Math.abs(share - climbed[0]!)).toBeLessThan(0.01);
  });
});
