// The same model and the same rows for everyone: weights as plain arrays, read from the bundled model or made from a
// seed, and token ids that are a function of their place.

import { hash32, normals } from '../src/engine/random';
import { gptNeo } from '../src/model/architectures/gpt-neo';
import { floats, parseSafetensors, writeSafetensors } from '../src/model/safetensors';
import type { ModelConfig, ReadFile } from '../src/model/types';
import type { Model, Work } from './plan';

interface Values {
  shape: number[];
  values: Float32Array;
}

export interface ModelData {
  config: ModelConfig;
  /** By the names of model.safetensors. */
  weights: Map<string, Values>;
}

const folder = '/models/stories-neo';

async function readBundled(path: string): Promise<Uint8Array | null> {
  const response = await fetch(`${folder}/${path}`);
  return response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
}

/** As its config.json has it. */
const configOf = (model: Model) => ({
  ...model,
  model_type: 'gpt_neo',
  activation_function: 'gelu_new',
  layer_norm_epsilon: 1e-5,
  eos_token_id: 0,
  attention_layers: Array.from({ length: model.num_layers }, (_, i) => (i % 2 === 0 ? 'global' : 'local')),
});

export async function modelData(model: Model): Promise<ModelData> {
  const config = gptNeo.parseConfig(configOf(model), model.name);
  const shapes = [...gptNeo.parameters(config)];
  if (!model.bundled) {
    return { config, weights: new Map(shapes.map(([key, shape]) => [key, seeded(key, shape)])) };
  }
  const bytes = await readBundled('model.safetensors');
  if (!bytes) throw new Error(`${folder}/model.safetensors could not be read`);
  const file = parseSafetensors(bytes, folder);
  return {
    config,
    weights: new Map(shapes.map(([key, shape]) => [key, { shape, values: floats(file, key) }])),
  };
}

/** A model's directory, in memory; a seeded one has no tokenizer. */
export async function modelFiles(model: Model): Promise<ReadFile> {
  const files = new Map<string, Uint8Array | null>();
  if (model.bundled) {
    for (const path of ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']) {
      files.set(path, await readBundled(path));
    }
  } else {
    files.set('config.json', new TextEncoder().encode(JSON.stringify(configOf(model))));
    files.set('model.safetensors', writeSafetensors((await modelData(model)).weights));
  }
  return (path) => Promise.resolve(files.get(path) ?? null);
}

let table: Float32Array | undefined;

/** GPT-Neo's initialisation. The normals repeat: 125 million of them would take longer to draw than to use. */
function seeded(name: string, shape: number[]): Values {
  const values = new Float32Array(shape.reduce((product, extent) => product * extent, 1));
  if (/\.ln_\w+\.weight$/.test(name)) values.fill(1);
  else if (!name.endsWith('.bias')) {
    table ??= normals(65_521, 1, 'weights').map((z) => 0.02 * z); // a prime, so that no two rows are the same
    const offset = hash32(name) % table.length;
    for (let at = 0, from = offset; at < values.length; from = 0) {
      const piece = table.subarray(from, Math.min(table.length, from + values.length - at));
      values.set(piece, at);
      at += piece.length;
    }
  }
  return { shape, values };
}

/** Rows of `prompt` + `completion` ids; never 0, which ends a text. */
export function tokenRows({ model, batch, prompt, completion }: Work): number[][] {
  return Array.from({ length: batch }, (_, row) =>
    Array.from(
      { length: prompt + completion },
      (_, i) => 1 + (hash32(row, i, 'tokens') % (model.vocab_size - 1)),
    ),
  );
}

/** The settings that everyone trains with. */
export const training = {
  learning_rate: 1e-3,
  lr_scheduler_type: 'constant',
  warmup_steps: 0,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  weight_decay: 0,
  max_grad_norm: 1,
} as const;

export const lora = { r: 8, lora_alpha: 16, lora_dropout: 0, use_rslora: false };
