// A run goes on only as what it began as: the same weights, rows and kernels, whatever they are called.
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { jsonl, killedAt, outcome, tinyRun, type TinyRun } from '../../tests/tiny-run';
import { openDevice } from '../engine/device';
import { disposeModel, loadModel } from '../model/load';
import { writeSafetensors } from '../model/safetensors';
import type { LanguageModel, ReadFile } from '../model/types';
import { defaultStage } from '../shared/validate';
import { STATE } from './stored-state';

const directory = nodeDirectory('tests/fixtures/gpt-neo-tiny/model');
const rows = Array.from({ length: 12 }, (_, i) => ({
  prompt: String.fromCharCode(97 + i),
  completion: 'abc',
}));
let options: TinyRun;
let model: LanguageModel;

const withRows = (text: string): TinyRun => ({
  ...options,
  readData: ({ path }) => Promise.resolve(path === 'sft.jsonl' ? new TextEncoder().encode(text) : null),
});

beforeAll(async () => {
  const device = await openDevice('wasm');
  model = await loadModel('tiny', directory);
  const sft = {
    ...defaultStage('sft'),
    max_steps: 4,
    per_device_train_batch_size: 2,
    warmup_steps: 1,
    save_steps: 2,
  };
  options = {
    ...{ model, device, readData: () => Promise.resolve(null) },
    experiment: {
      ...{ format: 1, name: 'tiny', model: 'tiny', seed: 1, data: { sft: 'sft.jsonl' }, stages: [sft] },
      lora: { r: 2, lora_alpha: 4, lora_dropout: 0, target_modules: ['q_proj'], use_rslora: false },
    },
  };
  options = withRows(jsonl(rows));
});

describe('resuming', { timeout: 60_000 }, () => {
  it('goes on with the same files, and with those of a version that kept no fingerprints', async () => {
    const { store: whole } = await tinyRun(options);
    const store = await killedAt('sft', 3, options);
    const { fingerprints, ...older } = JSON.parse(store.text(STATE)) as Record<string, unknown>;
    expect(Object.keys(fingerprints as object)).toEqual(['model', 'sft']);
    const old = store.copy();
    old.files.set(STATE, new TextEncoder().encode(JSON.stringify({ ...older, kernels: null })));
    for (const left of [store, old]) {
      await tinyRun({ ...options, store: left, resume: true });
      expect(outcome(left)).toEqual(outcome(whole));
    }
  });

  it('is refused with other rows of the same name', async () => {
    const store = await killedAt('sft', 3, options);
    const others = jsonl(rows.map((row, i) => (i === 7 ? { ...row, completion: 'abd' } : row)));
    await expect(tinyRun({ ...withRows(others), store, resume: true })).rejects.toMatchObject({
      code: 'bad-experiment',
      message: expect.stringContaining('other rows than data.sft ("sft.jsonl")') as string,
    });
  });

  it('is refused with other weights of the same name', async () => {
    const store = await killedAt('sft', 3, options);
    const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
    for (const [name, weight] of model.weights) {
      const values = (await weight.data()) as Float32Array;
      tensors.set(name, { shape: weight.shape, values: values.map((value) => value * 1.001) });
    }
    const trained: ReadFile = (path) =>
      path === 'model.safetensors' ? Promise.resolve(writeSafetensors(tensors)) : directory(path);
    const other = await loadModel('tiny', trained);
    await expect(tinyRun({ ...options, model: other, store, resume: true })).rejects.toThrow(
      'other weights than tiny',
    );
    disposeModel(other);
  });

  it('is refused by kernels that round otherwise', async () => {
    const store = await killedAt('sft', 3, options);
    const state = JSON.parse(store.text(STATE)) as { kernels: string };
    const other = state.kernels === 'fused' ? 'plain' : 'fused';
    store.files.set(STATE, new TextEncoder().encode(JSON.stringify({ ...state, kernels: other })));
    await expect(tinyRun({ ...options, store, resume: true })).rejects.toThrow(
      `computed by the ${other} wasm kernels`,
    );
  });
});
