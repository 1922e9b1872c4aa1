import { beforeAll, describe, expect, it } from 'vitest';
import { nodeDirectory, readJson } from '../../tests/node-files';
import { tf } from '../engine/tf';
import { PlaygroundError } from '../shared/errors';
import { disposeModel, loadModel } from './load';
import { floats, parseSafetensors, writeSafetensors } from './safetensors';
import { createTokenizer } from './tokenizer';
import type { ReadFile } from './types';

type Stored = { shape: number[]; values: Float32Array };
type Files = Map<string, Uint8Array>;

const names = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: Uint8Array | undefined) =>
  JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
const reader =
  (files: Files): ReadFile =>
  (path) =>
    Promise.resolve(files.get(path) ?? null);

/** The tiny model's files, changed: `weights` and `config` may be edited in place. */
async function tiny(
  edit: (weights: Map<string, Stored>, config: Record<string, unknown>) => void,
): Promise<Files> {
  const read = nodeDirectory('tests/fixtures/gpt-neo-tiny/model');
  const files: Files = new Map();
  for (const name of names) files.set(name, (await read(name)) as Uint8Array);
  const file = parseSafetensors(files.get('model.safetensors') as Uint8Array, 'f');
  const weights = new Map<string, Stored>();
  for (const [name, { shape }] of file.tensors) weights.set(name, { shape, values: floats(file, name) });
  const config = decode(files.get('config.json'));
  edit(weights, config);
  files.set('config.json', encode(config));
  files.set('model.safetensors', writeSafetensors(weights));
  return files;
}

async function refusal(files: Files): Promise<PlaygroundError> {
  const before = tf.memory().numTensors;
  const error: unknown = await loadModel('tiny', reader(files)).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PlaygroundError);
  expect(tf.memory().numTensors).toBe(before);
  return error as PlaygroundError;
}

const q0 = 'transformer.h.0.attn.attention.q_proj.weight';

describe('loadModel', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('reads large files a tensor at a time where the place can open them', async () => {
    const files = await tiny(() => undefined);
    const whole = await loadModel('tiny', reader(files));
    let taken = 0;
    async function* pieces(bytes: Uint8Array) {
      for (; taken < bytes.length; taken += 64)
        yield await Promise.resolve(bytes.subarray(taken, taken + 64));
    }
    const open = (path: string) => Promise.resolve(pieces(files.get(path)!));
    const read: ReadFile = (path) =>
      path === 'model.safetensors' ? Promise.reject(new Error('read as a whole')) : reader(files)(path);
    const ahead: number[] = [];
    const streamed = await loadModel('tiny', Object.assign(read, { open }), (_, loaded) =>
      ahead.push(taken - loaded),
    );
    for (const [name, weight] of whole.weights) {
      expect(streamed.weights.get(name)!.dataSync(), name).toEqual(weight.dataSync());
    }
    // Beside the header no more than the piece at hand.
    expect(ahead).toHaveLength(whole.weights.size);
    expect(Math.max(...ahead) - Math.min(...ahead)).toBeLessThanOrEqual(64);
    disposeModel(whole);
    disposeModel(streamed);
  });

  it('loads the tiny model, also without its prefix and with mask buffers', async () => {
    const files = await tiny((weights) => {
      for (const [name, tensor] of [...weights]) {
        weights.delete(name);
        weights.set(name.replace('transformer.', ''), tensor);
      }
      weights.set('h.0.attn.attention.bias', { shape: [1, 1, 1], values: new Float32Array(1) });
      weights.set('h.1.attn.attention.masked_bias', { shape: [], values: new Float32Array(1) });
      weights.set('lm_head.weight', weights.get('wte.weight') as Stored);
    });
    const progress: number[] = [];
    const model = await loadModel('tiny', reader(files), (_, loaded, total) => progress.push(loaded / total));
    expect(model.config).toEqual({
      architecture: 'gpt_neo',
      width: 32,
      layers: 4,
      heads: 4,
      headDim: 8,
      kvHeads: 4,
      inner: 128,
      context: 64,
      vocabulary: 97,
      epsilon: 1e-5,
      eosId: 0,
      windows: [0, 4, 0, 4],
      tied: true,
    });
    expect(model.parameters).toBe(55_648);
    expect(progress).toEqual([1]);
    expect(model.tokenizer?.encode('Hi!', { special: true })).toEqual([40, 73, 1]);
    disposeModel(model);
  });

  it('takes every end token of a list, the first as the one to learn', async () => {
    const files = await tiny((_, config) => (config['eos_token_id'] = [5, 0, 5]));
    const model = await loadModel('tiny', reader(files));
    expect(model.config).toMatchObject({ eosId: 5, otherEosIds: [0] });
    disposeModel(model);
  });

  it('reads shards by their index, and attention_types where attention_layers is missing', async () => {
    const files = await tiny((_, config) => {
      delete config['attention_layers'];
      config['eos_token_id'] = null;
    });
    const file = parseSafetensors(files.get('model.safetensors') as Uint8Array, 'f');
    const shards = [0, 1, 2].map(() => new Map<string, Stored>());
    const map: Record<string, string> = {};
    [...file.tensors].forEach(([name, { shape }], i) => {
      shards[i % 3]?.set(name, { shape, values: floats(file, name) });
      map[name] = `model-${i % 3}.safetensors`;
    });
    files.delete('model.safetensors');
    shards.forEach((shard, i) => files.set(`model-${i}.safetensors`, writeSafetensors(shard)));
    files.set('model.safetensors.index.json', encode({ weight_map: map }));
    const model = await loadModel('tiny', reader(files));
    expect(model.config).toMatchObject({ windows: [0, 4, 0, 4], eosId: null });
    disposeModel(model);

    files.set(
      'model.safetensors.index.json',
      encode({ weight_map: { ...map, [q0]: '../secret.safetensors' } }),
    );
    expect((await refusal(files)).message).toContain('"../secret.safetensors"');
    files.set('model.safetensors.index.json', encode({ weight_map: { ...map, [q0]: 'gone.safetensors' } }));
    expect((await refusal(files)).message).toBe('tiny has no gone.safetensors');
  });

  it.each<[string, string, string, Parameters<typeof tiny>[0]]>([
    ['a missing tensor', 'bad-weights', `has no tensor "${q0}"`, (weights) => weights.delete(q0)],
    [
      'an unknown tensor',
      'bad-weights',
      '"extra.weight"',
      (w) => w.set('extra.weight', { shape: [1], values: new Float32Array(1) }),
    ],
    [
      'a tensor twice',
      'bad-weights',
      `a second tensor "${q0}"`,
      (w) => w.set(q0.replace('transformer.', ''), w.get(q0) as Stored),
    ],
    [
      'a wrong shape',
      'bad-weights',
      `"${q0}" has shape [16, 64]`,
      (w) => w.set(q0, { shape: [16, 64], values: new Float32Array(1024) }),
    ],
    [
      'NaN',
      'bad-weights',
      `"${q0}" holds NaN at index 7`,
      (weights) => weights.get(q0)?.values.fill(NaN, 7, 8),
    ],
    [
      'another architecture',
      'bad-model',
      '"model_type" is "mamba"',
      (_, config) => (config['model_type'] = 'mamba'),
    ],
    ['a layer too many', 'bad-model', '"attention_layers"', (_, config) => (config['num_layers'] = 5)],
    ['endless layers', 'bad-model', '"num_layers" is 1e+40', (_, config) => (config['num_layers'] = 1e40)],
    [
      'endless kinds',
      'bad-model',
      '"attention_types"',
      (_, config) => Object.assign(config, { attention_layers: null, attention_types: [[['local'], 1e12]] }),
    ],
    ['heads that do not divide', 'bad-model', '"num_heads" is 5', (_, config) => (config['num_heads'] = 5)],
    [
      'another activation',
      'bad-model',
      '"activation_function" is "relu"',
      (_, config) => (config['activation_function'] = 'relu'),
    ],
    [
      'an end token out of range',
      'bad-model',
      '"eos_token_id" is 97',
      (_, config) => (config['eos_token_id'] = 97),
    ],
    [
      'a further end token out of range',
      'bad-model',
      '"eos_token_id" is 97',
      (_, config) => (config['eos_token_id'] = [0, 97]),
    ],
    [
      'a model smaller than its tokenizer',
      'bad-tokenizer',
      'ids up to 96, the model only up to 95',
      (_, config) => (config['vocab_size'] = 96),
    ],
  ])('refuses %s', async (_, code, message, edit) => {
    const error = await refusal(await tiny(edit));
    expect(error.message).toContain(message);
    expect(error.code).toBe(code);
  });

  it('refuses missing and broken files', async () => {
    const files = await tiny(() => {});
    const without = (name: string, bytes?: Uint8Array) => {
      const copy = new Map(files);
      copy.delete(name);
      return bytes ? copy.set(name, bytes) : copy;
    };
    expect(await refusal(without('config.json'))).toMatchObject({
      code: 'not-found',
      message: 'tiny has no config.json',
    });
    expect(await refusal(without('config.json', encode([])))).toMatchObject({ code: 'bad-model' });
    expect(await refusal(without('model.safetensors'))).toMatchObject({ code: 'not-found' });
    expect(await refusal(without('tokenizer.json', encode({})))).toMatchObject({ code: 'bad-tokenizer' });
    const truncated = files.get('model.safetensors')?.slice(0, -100);
    expect((await refusal(without('model.safetensors', truncated))).message).toContain(
      'tiny/model.safetensors is truncated',
    );
  });

  it('needs no tokenizer', async () => {
    const files = await tiny(() => {});
    files.delete('tokenizer.json');
    const model = await loadModel('tiny', reader(files));
    expect(model.tokenizer).toBeNull();
    disposeModel(model);
  });
});

describe('tokenizer', () => {
  it('encodes as the stories model was trained, and decodes back', async () => {
    const read = nodeDirectory('models/stories-neo');
    const file = async (name: string) => new TextDecoder().decode((await read(name))!);
    const tokenizer = await createTokenizer(
      await file('tokenizer.json'),
      await file('tokenizer_config.json'),
      'x',
    );
    const texts = await readJson<{ text: string; ids: number[] }[]>('tests/fixtures/stories-neo.json');
    for (const { text, ids } of texts) {
      // The fixture puts the end token in front itself.
      expect(tokenizer.encode(text, { special: true })).toEqual(ids.slice(1));
      expect(tokenizer.decode(ids, { skipSpecial: true })).toBe(text);
      expect(tokenizer.decode(ids, { skipSpecial: false })).toBe(`<|endoftext|>${text}`);
    }
    expect(tokenizer).toMatchObject({ eosId: 0, vocabulary: 4096 });
    expect(tokenizer.decode([], { skipSpecial: true })).toBe('');
    expect(tokenizer.encode('', { special: true })).toEqual([]);
    const spaces = ' a , b . don\'t\n\nSay "hi" !';
    expect(tokenizer.decode(tokenizer.encode(spaces, { special: false }), { skipSpecial: true })).toBe(
      spaces,
    );
  });
});
