// Runs that train all weights, pretraining among them: what they leave is a model like any other, in Hugging Face
// layout, and one that was killed and resumed leaves the same bytes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryStore } from '../../tests/memory-store';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { hiddenStates, logits } from '../model/forward';
import { generate } from '../model/generate';
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
  'tiny.txt': new TextEncoder().encode(
    ['the.owl.sees.a.mouse', 'a.fox.runs.home', 'the.sun.is.up'].join('\n\n'),
  ),
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
async function run(
  store: MemoryStore,
  {
    resume = false,
    killed = Infinity,
    some,
  }: { resume?: boolean; killed?: number; some?: Partial<Experiment> } = {},
): Promise<MetricsRow[]> {
  const before = tf.memory().numTensors;
  const rows: MetricsRow[] = [];
  const running = runExperiment({
    experiment: { ...experiment, ...some },
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
    await run(killed, { killed: 5 });
    await run(killed, { resume: true });
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

describe('pretraining', { timeout: 60_000 }, () => {
  const stage: Stage = {
    ...defaultStage('pretrain'),
    max_steps: 60,
    per_device_train_batch_size: 2,
    max_length: 40,
    learning_rate: 1e-2,
    warmup_steps: 5,
    eval_fraction: 0,
    early_stopping_patience: null,
    save_steps: 20,
  };
  const some: Partial<Experiment> = { data: { text: 'tiny.txt' }, stages: [stage] };

  it('learns a small text by heart, and resumes to the same bytes', async () => {
    const store = new MemoryStore();
    const rows = await run(store, { some });
    expect(Number(rows[0]!['loss'])).toBeGreaterThan(3);
    expect(Number(rows.at(-1)['loss'])).toBeLessThan(0.5);
    expect(rows.at(-1)).toMatchObject({ step: 60, num_tokens: expect.any(Number) as number });

    const trained = await loadModel('trained', readIn(store, 'adapters/pretrain'));
    const said = await generate(
      trained,
      null,
      [[0, ...trained.tokenizer!.encode('a.f', { special: true })]],
      {
        ...{ maxNewTokens: 20, minNewTokens: 0, temperature: 0, topK: 0, topP: 1, seed: 0, streams: [0] },
      },
    );
    expect(trained.tokenizer!.decode(said.tokens[0]!, { skipSpecial: true })).toBe('ox.runs.home');
    disposeModel(trained);

    const killed = new MemoryStore();
    await run(killed, { some, killed: 33 });
    await run(killed, { some, resume: true });
    const path = 'adapters/pretrain/model.safetensors';
    expect(killed.files.get(path)).toEqual(store.files.get(path));
  });

  it('stops early by the loss on held-out documents, and keeps the best weights', async () => {
    const store = new MemoryStore();
    const early = { ...stage, eval_fraction: 0.34, eval_steps: 5, early_stopping_patience: 2 };
    const rows = await run(store, { some: { ...some, stages: [early] } });
    const looks = rows.filter((row) => 'eval_loss' in row).map((row) => Number(row['eval_loss']));
    expect(rows.length).toBeLessThan(60);
    expect(looks.length).toBe(rows.length / 5);
    expect(looks.slice(-2).every((loss) => loss > Math.min(...looks))).toBe(true);
  });

  it('refuses rows beyond the context', async () => {
    const long = { ...some, stages: [{ ...stage, max_length: 65 }] };
    await expect(run(new MemoryStore(), { some: long })).rejects.toMatchObject({ code: 'too-long' });
  });
});
