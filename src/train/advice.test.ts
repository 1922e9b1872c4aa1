// What the health checks advise helps: the setting is turned the way they say, on the tiny model, and the figure that was
// complained of is better for it. Each row begins with settings that bring the trouble about.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { firstRows, tinyMethods, type Changes, type TinyMethod } from '../../tests/tiny-methods';
import { openDevice } from '../engine/device';
import { hash32 } from '../engine/random';
import { loadModel } from '../model/load';
import type { LanguageModel } from '../model/types';
import { Adapter } from '../model/lora';
import { defaultStage } from '../shared/validate';
import { dpo } from './dpo';
import { kto } from './kto';
import { orpo } from './orpo';
import type { Preference } from './preference';
import { startPolicy } from './rows';
import { simpo } from './simpo';

/** Pairs that differ in a single token, so that what is pushed down of the rejected one is the chosen one too. */
const pairs: Preference[] = Array.from({ length: 16 }, (_, i) => {
  const token = (...of: number[]): number => 1 + (hash32(i, ...of) % 90);
  const prompt = Array.from({ length: 2 + (i % 3) }, (__, t) => token(t, 0));
  const shared = Array.from({ length: 5 }, (__, t) => token(t, 1));
  const side = (own: number) => ({
    ids: [...prompt, ...shared, token(0, own), 0],
    promptLength: prompt.length,
  });
  return { chosen: side(2), rejected: side(3) };
});

/** The methods that learn from pairs, on these. */
function onPairs(model: LanguageModel, reference: Adapter): Record<string, TinyMethod> {
  const context = { model, name: 'stage', seed: 3, onSample: () => undefined, reference, heldOut: [] };
  const labelled = pairs.flatMap(({ chosen, rejected }) => [
    { ...chosen, label: true },
    { ...rejected, label: false },
  ]);
  const common = {
    ...{ max_steps: 40, warmup_steps: 0, per_device_train_batch_size: 16, learning_rate: 1e-2 },
    lr_scheduler_type: 'constant' as const,
  };
  const started =
    (
      learn: (changes: Changes, state: ReturnType<typeof startPolicy>) => ReturnType<typeof dpo>,
    ): TinyMethod =>
    (changes = {}) => {
      const state = startPolicy(reference);
      return Promise.resolve({ state, steps: learn({ ...common, ...changes }, state) });
    };
  return {
    dpo: started((changes, state) =>
      dpo({ ...context, train: pairs }, { ...defaultStage('dpo'), ...changes }, state),
    ),
    kto: started((changes, state) =>
      kto({ ...context, train: labelled }, { ...defaultStage('kto'), ...changes }, state),
    ),
    orpo: started((changes, state) =>
      orpo({ ...context, train: pairs }, { ...defaultStage('orpo'), ...changes }, state),
    ),
    simpo: started((changes, state) =>
      simpo({ ...context, train: pairs }, { ...defaultStage('simpo'), ...changes }, state),
    ),
  };
}

let onTheirOwn: Record<string, TinyMethod>;
let fromPairs: Record<string, TinyMethod>;
let adapters: Adapter[] = [];
beforeAll(async () => {
  await openDevice('wasm');
  const model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
  const { start, methods } = tinyMethods(model);
  const lora = { r: 2, lora_alpha: 4, lora_dropout: 0, use_rslora: false };
  const wide = Adapter.create(model, { ...lora, target_modules: ['q_proj', 'v_proj', 'c_fc', 'c_proj'] }, 1);
  [onTheirOwn, fromPairs, adapters] = [methods, onPairs(model, wide), [start, wide]];
});
afterAll(() => adapters.forEach((adapter) => adapter.dispose()));

const runs = new Map<string, Promise<Record<string, number[]>>>();

/** The last values of the figures of a run; each run is made once. */
function lastOf(
  method: TinyMethod,
  name: string,
  steps: number,
  changes: Changes,
): Promise<Record<string, number[]>> {
  const key = JSON.stringify([name, steps, changes]);
  const known =
    runs.get(key) ??
    firstRows(method, steps, changes).then((rows) =>
      Object.fromEntries(
        Object.keys(rows[0]!).map((figure) => [figure, rows.slice(-5).map((row) => Number(row[figure]))]),
      ),
    );
  runs.set(key, known);
  return known;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;

type Row = [method: string, trouble: Changes, way: Changes, figure: string, helps: 'higher' | 'lower'];

async function gainOf(
  methods: Record<string, TinyMethod>,
  steps: number,
  [name, trouble, way, figure, helps]: Row,
) {
  const before = (await lastOf(methods[name]!, name, steps, trouble))[figure]!;
  const after = (await lastOf(methods[name]!, name, steps, { ...trouble, ...way }))[figure]!;
  return (helps === 'higher' ? 1 : -1) * (mean(after) - mean(before));
}

const quick = { learning_rate: 2e-2 };
const twice = { ...quick, num_ppo_epochs: 2, num_iterations: 2 };
describe('methods that sample', { timeout: 120_000 }, () => {
  it.each<Row>([
    ['ppo', twice, { kl_coef: 1 }, 'objective/kl', 'lower'],
    ['ppo', twice, { num_ppo_epochs: 1 }, 'policy/clipfrac_avg', 'lower'],
    ['grpo', twice, { beta: 1 }, 'objective/kl', 'lower'],
    ['grpo', twice, { num_iterations: 1 }, 'clip_ratio/region_mean', 'lower'],
    ['rloo', twice, { beta: 1 }, 'objective/kl', 'lower'],
    ['reinforce', quick, { beta: 1 }, 'objective/kl', 'lower'],
    ['online_dpo', quick, { beta: 2 }, 'objective/kl', 'lower'],
    ['rft policy', quick, { learning_rate: 2e-3 }, 'objective/kl', 'lower'],
    ['rft', { num_generations: 2 }, { num_generations: 8 }, 'objective/scores_best', 'higher'],
  ])('%s with %j: %j makes %s %s', async (...row) => {
    expect(await gainOf(onTheirOwn, 12, row)).toBeGreaterThan(0.05);
  });

  it('REINFORCE compares with what rewards are, once the baseline is of the batch', async () => {
    const apart = async (baseline: string): Promise<number> => {
      const last = await lastOf(onTheirOwn['reinforce']!, 'reinforce', 12, { ...quick, baseline });
      return mean(
        last['objective/rlhf_reward']!.map((reward, i) => Math.abs(reward - last['baseline']![i]!)),
      );
    };
    expect(await apart('batch')).toBeLessThan(1e-5);
    expect(await apart('moving_average')).toBeGreaterThan(0.01);
  });
});

const loose = { beta: 0.5 };
const harsh = { undesirable_weight: 3 };
describe('methods that learn from pairs', { timeout: 120_000 }, () => {
  it.each<Row>([
    ['dpo', quick, { rpo_alpha: 1 }, 'logps/chosen', 'higher'],
    ['dpo', quick, { learning_rate: 2e-3 }, 'logps/chosen', 'higher'],
    ['dpo', quick, { beta: 1 }, 'entropy', 'higher'],
    ['kto', harsh, { undesirable_weight: 0.2 }, 'logps/chosen', 'higher'],
    ['kto', harsh, { undesirable_weight: 0.2 }, 'kl', 'higher'],
    ['kto', harsh, { beta: 1 }, 'entropy', 'higher'],
    ['orpo', { beta: 10 }, { beta: 1 }, 'logps/chosen', 'higher'],
    ['simpo', loose, { cpo_alpha: 1 }, 'logps/chosen', 'higher'],
    ['simpo', loose, { learning_rate: 2e-3 }, 'logps/chosen', 'higher'],
    ['simpo', loose, { beta: 5 }, 'entropy', 'higher'],
  ])('%s with %j: %j makes %s %s', async (...row) => {
    expect(await gainOf(fromPairs, 40, row)).toBeGreaterThan(0.2);
  });
});
