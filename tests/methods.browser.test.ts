// The methods on both backends: golden scalars, what the first step must be exactly, and the first steps of every pinned
// trajectory (src/train/trajectories.test.ts pins all thirty, on wasm), which WebGPU must follow as closely as wasm.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { onDeviceProblem, openDevice } from '../src/engine/device';
import { disposeModel, loadModel } from '../src/model/load';
import type { LanguageModel } from '../src/model/types';
import type { PlaygroundError } from '../src/shared/errors';
import { directory } from './browser-files';
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
});
