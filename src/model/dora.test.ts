import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { normals } from '../engine/random';
import { tf } from '../engine/tf';
import type { LoraSettings, Quantization } from '../shared/experiment';
import { accumulateGradients } from '../train/optimizer';
import { gain, gains, MAGNITUDE, outputNorms } from './dora';
import { hiddenStates } from './forward';
import { generate } from './generate';
import { disposeModel, loadModel } from './load';
import { completionLogprobs } from './logprobs';
import { adaptedLinear } from './adapted';
import { Adapter } from './lora';
import { readPeft, writePeft } from './peft';
import { parseSafetensors } from './safetensors';
import type { LanguageModel } from './types';

vi.setConfig({ testTimeout: 30_000 });

const settings: LoraSettings = {
  r: 3,
  lora_alpha: 6,
  lora_dropout: 0,
  target_modules: ['q_proj', 'out_proj', 'c_fc'],
  use_rslora: false,
  use_dora: true,
};
const batch = {
  ids: Int32Array.of(12, 30, 31, 27, 13, 1, 0, 0),
  mask: Int32Array.of(1, 1, 1, 1, 1, 1, 0, 0),
  batch: 2,
  length: 4,
};
const LAYER = 'transformer.h.1.attn.attention.out_proj';
const load = (quantization: Quantization = 'none', name = 'gpt-neo-dora'): Promise<LanguageModel> =>
  loadModel(name, nodeDirectory(`tests/fixtures/${name}/model`), undefined, quantization);

let model: LanguageModel;
let trained: Adapter;

beforeAll(async () => {
  await tf.setBackend('cpu');
  model = await load();
  trained = await readPeft(model, nodeDirectory('tests/fixtures/gpt-neo-dora/adapter'), 'trained');
});

afterAll(() => {
  trained.dispose();
  disposeModel(model);
});

const speak = (of: LanguageModel, adapter: Adapter | null): number[] =>
  tf.tidy(() => [...hiddenStates(of, adapter, batch).dataSync()]);

it.each<[Quantization, string, string]>([
  ['none', 'gpt-neo-dora', 'q_proj'],
  ['nf4', 'gpt-neo-dora', 'q_proj'],
  ['int8', 'gpt2-dora', 'c_attn'],
])('changes nothing at first, to the bit: %s weights of %s', async (quantization, name, target) => {
  const before = tf.memory().numTensors;
  const base = await load(quantization, name);
  const adapter = Adapter.create(base, { ...settings, target_modules: [target, 'c_fc'] }, 7);
  expect(speak(base, adapter)).toEqual(speak(base, null));
  adapter.dispose();
  disposeModel(base);
  expect(tf.memory().numTensors).toBe(before);
});

it('writes the magnitudes under PEFT’s key and reads them back', async () => {
  const files = await writePeft(model, trained);
  const config = new TextDecoder().decode(files.get('adapter_config.json'));
  expect(JSON.parse(config)).toMatchObject({ use_dora: true });
  const { tensors } = parseSafetensors(files.get('adapter_model.safetensors')!, 'f');
  expect(tensors.get(`base_model.model.${LAYER}.${MAGNITUDE}`)?.shape).toEqual([16]);
  const again = await readPeft(model, (path) => Promise.resolve(files.get(path) ?? null), 'again');
  expect(again.settings).toEqual(settings);
  expect(speak(model, again)).toEqual(speak(model, trained));
  expect(speak(model, trained)).not.toEqual(speak(model, null));
  again.dispose();
});

it('generates with the log-probabilities of the training path', async () => {
  const before = tf.memory().numTensors;
  const prompt = [12, 30, 31];
  const options = {
    maxNewTokens: 9,
    minNewTokens: 9,
    temperature: 1,
    topK: 0,
    topP: 1,
    seed: 3,
    streams: [0],
  };
  const drawn = await generate(model, trained, [prompt], options);
  expect(tf.memory().numTensors).toBe(before);
  const ids = [...prompt, ...drawn.tokens[0]!];
  const whole = {
    ids: Int32Array.from(ids),
    mask: new Int32Array(ids.length).fill(1),
    completion: Int32Array.from(ids, (_, i) => Number(i >= prompt.length)),
    batch: 1,
    length: ids.length,
  };
  const logprobs = tf.tidy(() => [
    ...completionLogprobs(model, trained, whole, { temperature: 1 }).logprobs.dataSync(),
  ]);
  drawn.logprobs[0]!.forEach((value, t) =>
    expect(Math.abs(value - logprobs[prompt.length + t]!)).toBeLessThan(1e-4),
  );
});

// The loss is linear in every variable once the norm is held, so one difference is the slope up to rounding; with the
// norm moving along, A's and B's slopes are others, which is what leaving it out of the gradient means.
it.each(['lora_A.weight', 'lora_B.weight', MAGNITUDE])('has the slope of the held norm in %s', (part) => {
  const before = tf.memory().numTensors;
  const x = tf.tensor2d(normals(5 * 16, 1), [5, 16]);
  const weights = tf.tensor2d(normals(5 * 16, 2), [5, 16]);
  const held = gains(model, trained);
  const norms = tf.tidy(() => outputNorms(model, trained, LAYER));
  const value = (hold: boolean) => (): tf.Scalar => {
    const magnitude = trained.variables.get(`${LAYER}.${MAGNITUDE}`) as unknown as tf.Tensor1D;
    const g = hold ? tf.div<tf.Tensor1D>(magnitude, norms) : gain(model, trained, LAYER)!;
    const input = { adapter: trained, dropout: null, gains: new Map([[LAYER, g]]) };
    return tf.sum(tf.mul(adaptedLinear(model, input, LAYER, x), weights));
  };
  expect([...held.get(LAYER)!.dataSync()]).toEqual(
    tf.tidy(() => [...gain(model, trained, LAYER)!.dataSync()]),
  );

  const variable = trained.variables.get(`${LAYER}.${part}`)!;
  const [gradient] = accumulateGradients(value(false), [variable], null);
  const direction = tf.tensor(normals(variable.size, 3), variable.shape);
  const along = tf.tidy(() => tf.sum(tf.mul(gradient!, direction)).dataSync()[0]!);
  const start = variable.clone();
  const slope = (hold: boolean): number => {
    const at = (h: number): number =>
      tf.tidy(() => {
        variable.assign(tf.add(start, tf.mul(direction, h)));
        return value(hold)().dataSync()[0]!;
      });
    return (at(0.05) - at(-0.05)) / 0.1;
  };
  const [found, moving] = [slope(true), slope(false)];
  variable.assign(start);
  expect(Math.abs(along)).toBeGreaterThan(0.1);
  expect(Math.abs(found / along - 1)).toBeLessThan(1e-3);
  if (part !== MAGNITUDE) expect(Math.abs(moving / along - 1)).toBeGreaterThan(0.01);
  tf.dispose([x, weights, norms, gradient!, direction, start, ...held.values()]);
  expect(tf.memory().numTensors).toBe(before);
});
