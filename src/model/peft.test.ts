import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { tf } from '../engine/tf';
import type { LoraSettings } from '../shared/experiment';
import { hiddenStates } from './forward';
import { sequenceScores } from './heads';
import { disposeModel, loadModel } from './load';
import { Adapter } from './lora';
import { readPeft, writePeft } from './peft';
import { floats, parseSafetensors, writeSafetensors } from './safetensors';
import type { LanguageModel, ReadFile } from './types';

// The reference ops on one busy core take seconds.
vi.setConfig({ testTimeout: 30_000 });

const settings: LoraSettings = {
  r: 4,
  lora_alpha: 8,
  lora_dropout: 0,
  target_modules: ['q_proj', 'mlp.c_proj'],
  use_rslora: true,
  use_dora: false,
};
const batch = {
  ids: Int32Array.of(12, 30, 71, 67, 83, 1, 0, 0),
  mask: Int32Array.of(1, 1, 1, 1, 1, 1, 0, 0),
  batch: 2,
  length: 4,
};
const reader =
  (files: ReadonlyMap<string, Uint8Array>): ReadFile =>
  (path) =>
    Promise.resolve(files.get(path) ?? null);
const json = (bytes: Uint8Array | undefined) =>
  JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;

let model: LanguageModel;

/** What the model says with an adapter, [B·T, C] flat. */
function speak(adapter: Adapter | null, dropout: number | null = null): Float32Array {
  return tf.tidy(() => hiddenStates(model, adapter, batch, dropout).dataSync() as Float32Array);
}

beforeAll(async () => {
  await tf.setBackend('cpu');
  model = await loadModel('bundled:tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
});

afterAll(() => disposeModel(model));

describe('Adapter', () => {
  it('has the variables of the layers it names, and changes nothing at first', () => {
    const before = tf.memory().numTensors;
    const adapter = Adapter.create(model, settings, 7);
    expect([...adapter.variables.keys()].slice(0, 4)).toEqual([
      'transformer.h.0.attn.attention.q_proj.lora_A.weight',
      'transformer.h.0.attn.attention.q_proj.lora_B.weight',
      'transformer.h.0.mlp.c_proj.lora_A.weight',
      'transformer.h.0.mlp.c_proj.lora_B.weight',
    ]);
    expect(adapter.variables.size).toBe(16);
    const A = adapter.variables.get('transformer.h.3.mlp.c_proj.lora_A.weight')!;
    expect(A.shape).toEqual([4, 128]);
    const largest = Math.max(...A.dataSync().map(Math.abs));
    expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(128));
    expect(largest).toBeGreaterThan(0.9 / Math.sqrt(128));
    expect(speak(adapter)).toEqual(speak(null));
    expect(adapter.scaling).toBe(4);
    adapter.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is the same for the same seed, another for another', () => {
    const values = (seed: number) => {
      const adapter = Adapter.create(model, settings, seed, { head: true });
      const all = [...adapter.variables.values()].map((variable) => Array.from(variable.dataSync()));
      adapter.dispose();
      return all;
    };
    expect(values(1)).toEqual(values(1));
    expect(values(1)).not.toEqual(values(2));
  });

  it('clones into variables of its own, and can be given a head', () => {
    const adapter = Adapter.create(model, settings, 7);
    expect(() => adapter.head()).toThrow('has no scalar head');
    const critic = adapter.clone('critic', new Float32Array(32));
    const [key] = [...adapter.variables.keys()];
    adapter.variables.get(key!)!.assign(tf.zeros([4, 32]));
    expect(Math.max(...critic.variables.get(key!)!.dataSync())).toBeGreaterThan(0);
    expect(Array.from(tf.tidy(() => sequenceScores(model, critic, batch).dataSync()))).toEqual([0, 0]);
    adapter.dispose();
    critic.dispose();
  });

  it('drops inputs of the adapter by seed, only when asked to', () => {
    const adapter = Adapter.create(model, { ...settings, lora_dropout: 0.5 }, 7);
    for (const [name, variable] of adapter.variables)
      if (name.endsWith('B.weight')) variable.assign(tf.ones(variable.shape));
    expect(speak(adapter, 1)).toEqual(speak(adapter, 1));
    expect(speak(adapter, 1)).not.toEqual(speak(adapter, 2));
    expect(speak(adapter, 1)).not.toEqual(speak(adapter));
    adapter.dispose();
  });

  it.each<[string, Partial<LoraSettings>, string]>([
    [
      'an unknown module',
      { target_modules: ['q_proj', 'gate_proj'] },
      'target module "gate_proj" is no linear layer',
    ],
    ['no module', { target_modules: [] }, 'target_modules is empty'],
    ['half a name', { target_modules: ['proj'] }, 'target module "proj"'],
    ['rank 0', { r: 0 }, 'rank r must be a whole number of at least 1, not 0'],
    ['dropout 1', { lora_dropout: 1 }, 'lora_dropout must be in [0, 1), not 1'],
  ])('refuses %s', (_, change, message) => {
    expect(() => Adapter.create(model, { ...settings, ...change }, 1)).toThrow(message);
  });
});

describe('PEFT', () => {
  it('writes what it reads back, under PEFT’s keys', async () => {
    const adapter = Adapter.create(model, settings, 7, { head: true });
    for (const [name, variable] of adapter.variables)
      if (name.endsWith('B.weight')) variable.assign(tf.ones(variable.shape));
    const files = await writePeft(model, adapter);
    const config = json(files.get('adapter_config.json'));
    expect(config).toMatchObject({
      base_model_name_or_path: 'bundled:tiny',
      lora_alpha: 8,
      modules_to_save: ['score'],
      peft_type: 'LORA',
      r: 4,
      target_modules: ['q_proj', 'mlp.c_proj'],
      task_type: 'SEQ_CLS',
      use_rslora: true,
    });
    expect(Object.keys(config)).toEqual(Object.keys(config).sort());
    const { tensors } = parseSafetensors(files.get('adapter_model.safetensors')!, 'f');
    expect(tensors.get('base_model.model.score.weight')?.shape).toEqual([1, 32]);
    expect(tensors.has('base_model.model.transformer.h.0.mlp.c_proj.lora_A.weight')).toBe(true);
    const again = await readPeft(model, reader(files), 'again');
    expect(again.settings).toEqual(settings);
    expect([...again.variables.keys()]).toEqual([...adapter.variables.keys()]);
    expect(speak(again)).toEqual(speak(adapter));
    adapter.dispose();
    again.dispose();
  });

  it.each([
    [{ name: 'bundled:stories-neo' }, 'bundled:stories-neo', null],
    [{ name: 'hf:owner/small@v1' }, 'owner/small', 'v1'],
    [{ name: 'hf:owner/small' }, 'owner/small', null],
    [{ name: 'own:mine' }, 'mine', null],
    [{ name: 'dir:/files/model', base: '../models/mine' }, '../models/mine', null],
  ])('names the base of %j as PEFT looks for it', async (changes, base_model_name_or_path, revision) => {
    const adapter = Adapter.create(model, settings, 7);
    const files = await writePeft({ ...model, ...changes }, adapter);
    expect(json(files.get('adapter_config.json'))).toMatchObject({ base_model_name_or_path, revision });
    adapter.dispose();
  });

  /** The fixture's adapter with changes to its config or weights. */
  async function changed(change: Record<string, unknown>, drop?: string, add?: string): Promise<ReadFile> {
    const read = nodeDirectory('tests/fixtures/gpt-neo-tiny/adapter');
    const config = { ...json((await read('adapter_config.json'))!), ...change };
    const file = parseSafetensors((await read('adapter_model.safetensors'))!, 'f');
    const tensors = new Map(
      [...file.tensors].map(([name, { shape }]) => [name, { shape, values: floats(file, name) }] as const),
    );
    if (drop) tensors.delete(drop);
    if (add) tensors.set(add, { shape: [3, 32], values: new Float32Array(96) });
    return reader(
      new Map([
        ['adapter_config.json', new TextEncoder().encode(JSON.stringify(config))],
        ['adapter_model.safetensors', writeSafetensors(tensors)],
      ]),
    );
  }

  const q0 = 'base_model.model.transformer.h.0.attn.attention.q_proj.lora_A.weight';

  it.each<[string, Record<string, unknown>, string | undefined, string | undefined, string]>([
    ['another method', { peft_type: 'IA3' }, undefined, undefined, '"peft_type" is "IA3"'],
    ['DoRA without magnitudes', { use_dora: true }, undefined, undefined, 'q_proj.lora_magnitude_vector"'],
    ['rank patterns', { rank_pattern: { q_proj: 2 } }, undefined, undefined, '"rank_pattern"'],
    [
      'trained embeddings',
      { modules_to_save: ['wte'] },
      undefined,
      undefined,
      '"modules_to_save" is ["wte"]',
    ],
    [
      'another rank',
      { r: 4 },
      undefined,
      undefined,
      'has shape [3, 32], but bundled:tiny and r need [4, 32]',
    ],
    ['an unknown target', { target_modules: ['wq'] }, undefined, undefined, 'target module "wq"'],
    ['too few targets', { target_modules: ['v_proj'] }, undefined, undefined, `has a tensor "${q0}"`],
    ['a missing tensor', {}, q0, undefined, `has no tensor "${q0}"`],
    ['an extra tensor', {}, undefined, 'base_model.model.transformer.wte.lora_A.weight', 'wte.lora_A.weight'],
  ])('refuses %s', async (_, change, drop, add, message) => {
    const before = tf.memory().numTensors;
    await expect(readPeft(model, await changed(change, drop, add), 'bad')).rejects.toMatchObject({
      code: 'bad-adapter',
      message: expect.stringContaining(message) as string,
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses an empty directory', async () => {
    await expect(readPeft(model, reader(new Map()), 'bad')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('matches targets by pattern, as PEFT does a text', async () => {
    const adapter = await readPeft(
      model,
      await changed({ target_modules: String.raw`.*\.(q|v)_proj` }),
      'pattern',
    );
    expect(adapter.variables.size).toBe(16);
    adapter.dispose();
  });
});
