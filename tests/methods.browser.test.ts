// The methods on both backends: golden scalars, gradients, what the first step must be exactly, every pinned trajectory
// (src/train/trajectories.test.ts pins them, on wasm), which WebGPU must follow as closely as wasm, and what is exact
// where completions can be counted. In short; `FULL=1` at length.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { disposeModel, loadModel } from '../src/model/load';
import type { LanguageModel } from '../src/model/types';
import type { MetricsRow } from '../src/shared/protocol';
import { disposeState } from '../src/train/state';
import { directory } from './browser-files';
import { countedTask, LONG, SHORT } from './counted';
import { FIRST_STEP, missed } from './first-steps';
import pinned from './fixtures/trajectories.json';
import { full } from './full';
import { scalarErrors } from './golden-scalars';
import { CHECKS, gradientTask } from './gradient-checks';
import { useDevice } from './kernels';
import { firstRows, tinyMethods } from './tiny-methods';
import { columnsOf, driftOf, type Trajectory } from './trajectory';

const STEPS = full ? 30 : 3;
/** How far PPO and RLOO came on each backend, as a share of the way to the optimum. */
const climbed: Record<string, number> = {};

describe.each(['wasm', 'webgpu'] as const)('%s', { timeout: full ? 1_800_000 : 120_000 }, (backend) => {
  useDevice(backend);
  let model: LanguageModel;
  let tiny: ReturnType<typeof tinyMethods>;
  let gradients: Awaited<ReturnType<typeof gradientTask>>;
  let counted: Awaited<ReturnType<typeof countedTask>>;
  beforeAll(async () => {
    model = await loadModel('tiny', directory('fixtures/gpt-neo-tiny/model'));
    tiny = tinyMethods(model);
    gradients = await gradientTask(directory('fixtures/gpt-neo-odd'));
    counted = await countedTask(full ? LONG : SHORT);
  }, 120_000);
  afterAll(() => {
    tiny.start.dispose();
    gradients.dispose();
    counted.dispose();
    disposeModel(model);
  });

  test('every golden scalar is met to 1e-6', async () => {
    expect((await scalarErrors()).filter(({ error }) => !(error <= 1e-6))).toEqual([]);
  });

  // Wasm has all of them in src/train/gradients.test.ts.
  test.skipIf(backend === 'wasm').each(CHECKS)('the gradient of %s through %s', async (name, part) => {
    // The random direction goes along the gradient in part.
    const some = full ? {} : { along: false, directions: 1 };
    const errors = await gradients.slopes(name, part, some);
    for (const error of errors) expect(Math.abs(error)).toBeLessThan(1e-3);
  });

  test.each(FIRST_STEP)('$name with $changes begins exactly where it must', async (first) => {
    const [row] = await firstRows(tiny.methods[first.name]!, 1, first.changes, first.prepare);
    expect(missed(first, row!)).toEqual([]);
  });

  test.each(Object.entries(pinned as Record<string, Trajectory>))(
    '%s takes its first steps',
    async (name, all) => {
      const rows = await firstRows(tiny.methods[name]!, STEPS);
      expect(rows).toHaveLength(STEPS);
      expect(driftOf(columnsOf(rows), all, { whole: true })).toBeLessThan(1e-3);
    },
  );

  test.each(['dpo', 'kto', 'ppo', 'grpo'])(
    '%s accumulates row by row what it computes at once',
    async (name) => {
      const alone = { per_device_train_batch_size: 1, gradient_accumulation_steps: 8 };
      const rows = await firstRows(tiny.methods[name]!, 2, alone);
      expect(
        driftOf(columnsOf(rows), (pinned as Record<string, Trajectory>)[name]!, { whole: true }),
      ).toBeLessThan(1e-3);
    },
  );

  test('ppo comes twice to the same numbers and weights, to the bit', async () => {
    const once = async () => {
      const { state, steps } = await tiny.methods['ppo in detail']!();
      const rows: MetricsRow[] = [];
      while (rows.length < 3) rows.push({ ...((await steps.next()).value as MetricsRow), eps: 0 });
      const weights = await Promise.all(
        Object.values(state.adapters).flatMap(({ variables }) =>
          Array.from(variables.values(), async (variable) => Array.from(await variable.data())),
        ),
      );
      disposeState(state);
      return { rows, weights };
    };
    const first = await once();
    expect(first.rows[2]!['objective/kl']).not.toBe(0);
    expect(await once()).toEqual(first);
  });

  test.each(['ppo', 'rloo'] as const)(
    '%s climbs towards the exact optimum, as far as on the other',
    async (name) => {
      const share = await counted[name]();
      climbed[name] ??= share;
      expect(Math.abs(share - climbed[name])).toBeLessThan(0.01);
    },
  );

  test('estimates of the KL are what there is', async () => {
    counted.estimatorsAgree();
    await counted.estimatesAreTheKl();
  });

  test('the entropy bonus is the gradient of the mean entropy', () => counted.entropyBonus());
});
