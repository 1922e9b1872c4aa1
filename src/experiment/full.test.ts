// Runs that train all weights: what they leave is a model like any other, in Hugging Face layout, and one that was
// killed and resumed leaves the same bytes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryStore } from '../../tests/memory-store';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { hiddenStates, logits } from '../model/forward';
import { disposeModel, loadModel } from '../model/load';
import type { Adapter } from '../model/lora';
import { readPeft, WHOLE, writePeft } from '../model/peft';
import type { LanguageModel, ReadFile } from '../model/types';
import type { Experiment, Stage } from '../shared/experiment';
import type { DeviceReport, MetricsRow } from '../shared/protocol';
import { defaultStage } from '../shared/validate';
import { Control } from './control';
import { runExperiment } from './run';

const sft: Stage = {
  ...defaultStage('sft'),
  max_steps: 6,
  per_device_train_batch_size: 4,
  learning_rate: 3e-3,
  warmup_steps: 1,
  eval_steps: 3,
  save_steps: 2,
};
const words = Array.from({ length: 16 }, (_, i) => String.fromCharCode(97 + i, 98 + i, 99 + ((i * 3) % 20)));
const lines = (rows: object[]): Uint8Array =>
  new TextEncoder().encode(rows.map((row) => JSON.stringify(row)).join('\n'));
const data: Record<string, Uint8Array> = {
  'sft.jsonl': lines(words.map((word) => ({ prompt: `${word}:`, completion: word.toUpperCase() }))),
  'pairs.jsonl': lines(words.map((word) => ({ prompt: `${word}:`, chosen: 'AB', rejected: 'ba' }))),
};
const experiment: Experiment = {
  format: 1,
  name: 'full',
  model: 'tiny',
  seed: 7,
  lora: WHOLE,
  data: { sft: 'sft.jsonl', preferences: 'pairs.jsonl' },
  stages: [sft, { ...sft, ...defaultStage('dpo'), max_steps: 2, warmup_steps: 0, learning_rate: 1e-3 }],
};

let device: DeviceReport;
let model: LanguageModel;
beforeAll(async () => {
  device = await openDevice('wasm');
  model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
});
afterAll(() => disposeModel(model));

/** Runs it; `killed` ends it right after that many rows of metrics. */
async function run(store: MemoryStore, resume = false, killed = Infinity): Promise<MetricsRow[]> {
  const before = tf.memory().numTensors;
  const rows: MetricsRow[] = [];
  const running = runExperiment({
    experiment,
    model,
    device,
    store,
    readData: ({ path }) => Promise.resolve(data[path] ?? null),
    resume,
    control: new Control(),
    tell: (event) => {
      if (event.type !== 'metrics') return;
      rows.push(event.row);
      if (rows.length === killed) throw new Error('power cut');
    },
  });
  if (killed === Infinity) await running;
  else await expect(running).rejects.toThrow('power cut');
  expect(tf.memory().numTensors).toBe(before);
  return rows;
}

const batch = {
  ids: Int32Array.of(12, 30, 71, 67, 83, 1),
  mask: new Int32Array(6).fill(1),
  batch: 2,
  length: 3,
};
const speak = (of: LanguageModel, adapter: Adapter | null): number[] =>
  tf.tidy(() => [...logits(of, hiddenStates(of, adapter, batch), adapter).dataSync()]);
const readIn =
  ({ files }: MemoryStore, directory: string): ReadFile =>
  (path) =>
    Promise.resolve(files.get(`${directory}/${path}`) ?? null);

describe('all weights', { timeout: 60_000 }, () => {
  it('are trained, and leave a model that loads as any other', async () => {
    const store = new MemoryStore();
    const bare = speak(model, null);
    const rows = await run(store);
    const losses = rows.filter(({ stage }) => stage === 'sft').map(({ loss }) => Number(loss));
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
    expect(speak(model, null)).toEqual(bare);

    for (const stage of ['sft', 'dpo']) {
      expect(await store.list(`adapters/${stage}/`)).toEqual(
        ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'].map(
          (file) => `adapters/${stage}/${file}`,
        ),
      );
      const read = readIn(store, `adapters/${stage}`);
      const trained = await loadModel('trained', read);
      const adapter = await readPeft(model, read, stage);
      expect(trained.tokenizer?.decode([40, 41], { skipSpecial: true })).not.toBe('');
      expect(speak(trained, null)).toEqual(speak(model, adapter));
      expect(speak(trained, null)).not.toEqual(bare);
      const again = await writePeft(model, adapter);
      expect(again.get('model.safetensors')).toEqual(store.files.get(`adapters/${stage}/model.safetensors`));
      adapter.dispose();
      disposeModel(trained);
    }
  });

  it('resume to the same bytes', async () => {
    const whole = new MemoryStore();
    const killed = new MemoryStore();
    await run(whole);
    await run(killed, false, 5);
    await run(killed, true);
    for (const stage of ['sft', 'dpo']) {
      const path = `adapters/${stage}/model.safetensors`;
      expect(killed.files.get(path)).toEqual(whole.files.get(path));
    }
  });

  it('are refused where the base is packed', async () => {
    const read = nodeDirectory('tests/fixtures/gpt-neo-tiny/model');
    const packed = await loadModel('packed', read, undefined, 'nf4');
    const start = runExperiment({
      ...{ experiment, model: packed, device, store: new MemoryStore(), resume: false },
      readData: ({ path }) => Promise.resolve(data[path] ?? null),
      control: new Control(),
      tell: () => undefined,
    });
    await expect(start).rejects.toMatchObject({ code: 'bad-adapter' });
    disposeModel(packed);
  });
});
