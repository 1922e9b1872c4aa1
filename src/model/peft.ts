// Adapters as files, in and out. In PEFT's format, `adapter_config.json` and `adapter_model.safetensors` with PEFT's own
// keys, an adapter trained here loads in Python with PeftModel.from_pretrained, and one trained there plays here. One
// that has all weights for its own is a model in Hugging Face layout, which loads as any other does, here and there.

import { PlaygroundError } from '../shared/errors';
import type { LoraSettings } from '../shared/experiment';
import { parseObject, show } from './json';
import { Adapter, type AdapterValue, HEAD, loraShapes, targetLayers } from './lora';
import { floats, parseSafetensors, writeSafetensors } from './safetensors';
import type { LanguageModel, ReadFile } from './types';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
const PREFIX = 'base_model.model.';

const MODEL_CONFIG = 'config.json';
const MODEL_WEIGHTS = 'model.safetensors';

/** The files without which there is no adapter in a directory. */
export const adapterFiles = ({ use_peft }: LoraSettings): readonly string[] =>
  use_peft === false ? [MODEL_CONFIG, MODEL_WEIGHTS] : [CONFIG, WEIGHTS];

/** Its files by name: those of an adapter, or of a whole model. */
export async function writePeft(model: LanguageModel, adapter: Adapter): Promise<Map<string, Uint8Array>> {
  const whole = adapter.settings.use_peft === false;
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [name, variable] of adapter.variables) {
    const values = (await variable.data()) as Float32Array;
    tensors.set(whole ? name : PREFIX + name, { shape: variable.shape, values });
  }
  const bytes = (json: object): Uint8Array => new TextEncoder().encode(JSON.stringify(json, null, 2) + '\n');
  if (!whole) {
    const config = bytes(peftConfig(model, adapter));
    return new Map([
      [CONFIG, config],
      [WEIGHTS, writeSafetensors(tensors)],
    ]);
  }
  const files = new Map(model.files);
  const config = parseObject(files.get(MODEL_CONFIG) ?? new Uint8Array()) ?? {};
  return files
    .set(MODEL_CONFIG, bytes({ ...config, torch_dtype: 'float32' }))
    .set(MODEL_WEIGHTS, writeSafetensors(tensors));
}

/** Every key PEFT writes for LoRA, sorted as PEFT sorts them. */
function peftConfig(model: LanguageModel, { settings, variables }: Adapter): Record<string, unknown> {
  const head = variables.has(HEAD);
  const { base = model.name.replace(/^(own|dir):/, '') } = model;
  // As transformers names a model of the hub.
  const [, repository = base, revision = null] = /^hf:([^@]+)(?:@(.+))?$/.exec(base) ?? [];
  return {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: repository,
    bias: 'none',
    exclude_modules: null,
    fan_in_fan_out: model.architecture.fanInFanOut ?? false,
    inference_mode: true,
    init_lora_weights: true,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    loftq_config: {},
    lora_alpha: settings.lora_alpha,
    lora_bias: false,
    lora_dropout: settings.lora_dropout,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: head ? ['score'] : null,
    peft_type: 'LORA',
    r: settings.r,
    rank_pattern: {},
    revision,
    target_modules: settings.target_modules,
    task_type: head ? 'SEQ_CLS' : 'CAUSAL_LM',
    use_dora: settings.use_dora ?? false,
    use_rslora: settings.use_rslora,
  };
}

/** The adapter in a directory, a model's among them; `name` is also what messages call it. Throws `bad-adapter`,
 *  `bad-weights`, `not-found`. */
export async function readPeft(model: LanguageModel, read: ReadFile, name: string): Promise<Adapter> {
  const config = await read(CONFIG);
  const whole = config === null && (await read(MODEL_CONFIG)) !== null;
  const settings = whole
    ? WHOLE
    : parseConfig(
        new TextDecoder().decode(config ?? (await need(read, CONFIG, name))),
        model,
        `${name}/${CONFIG}`,
      );
  const weights = whole ? MODEL_WEIGHTS : WEIGHTS;
  const prefix = whole ? '' : PREFIX;
  const file = parseSafetensors(await need(read, weights, name), `${name}/${weights}`);
  const shapes: Map<string, number[]> = whole
    ? model.architecture.parameters(model.config)
    : new Map(targetLayers(model, settings).flatMap((layer) => loraShapes(layer, settings)));
  if (file.tensors.has(prefix + HEAD)) shapes.set(HEAD, [1, model.config.width]);
  for (const key of file.tensors.keys()) {
    if (!key.startsWith(prefix) || !shapes.has(key.slice(prefix.length))) {
      throw badAdapter(
        `${file.file} has a tensor "${key}" that ${whole ? '' : `${CONFIG} and `}${model.name} have no place for`,
      );
    }
  }
  const values = new Map<string, AdapterValue>();
  for (const [key, shape] of shapes) {
    const stored = file.tensors.get(prefix + key);
    if (!stored) throw badAdapter(`${file.file} has no tensor "${prefix}${key}"`);
    if (stored.shape.join() !== shape.join()) {
      throw badAdapter(
        `${file.file} tensor "${prefix}${key}" has shape [${stored.shape.join(', ')}], but ${model.name} and r need [${shape.join(', ')}]`,
      );
    }
    values.set(key, { shape, values: floats(file, prefix + key) });
  }
  return new Adapter(name, settings, values);
}

/** Settings of an adapter that is a whole model: LoRA's say nothing there. */
export const WHOLE: LoraSettings = {
  use_peft: false,
  r: 1,
  lora_alpha: 1,
  lora_dropout: 0,
  target_modules: [],
  use_rslora: false,
};

async function need(read: ReadFile, path: string, name: string): Promise<Uint8Array> {
  const bytes = await read(path);
  if (bytes) return bytes;
  throw new PlaygroundError(
    'not-found',
    `${name} has no ${path}`,
    `An adapter is a directory with ${CONFIG} and ${WEIGHTS}.`,
  );
}

/** What of PEFT's LoRA we compute; anything that would change the result and is not computed is refused by name. */
function parseConfig(text: string, model: LanguageModel, file: string): LoraSettings {
  const json = parseObject(text);
  if (!json) throw badAdapter(`${file} is not a JSON object`);
  const refuse = (field: string): PlaygroundError =>
    badAdapter(`${file}: "${field}" is ${show(json, field)}, which is not supported`);
  if (json['peft_type'] !== 'LORA') throw refuse('peft_type');
  for (const field of ['lora_bias', 'layers_to_transform', 'layer_replication', 'exclude_modules']) {
    if (json[field]) throw refuse(field);
  }
  if ((json['bias'] ?? 'none') !== 'none') throw refuse('bias');
  for (const field of ['rank_pattern', 'alpha_pattern']) {
    if (Object.keys(json[field] ?? {}).length > 0) throw refuse(field);
  }
  const saved = json['modules_to_save'] ?? null;
  if (saved !== null && !(Array.isArray(saved) && saved.every((module) => module === 'score'))) {
    throw refuse('modules_to_save');
  }
  // PEFT's defaults where a field is missing.
  const { r = 8, lora_alpha = 8, lora_dropout = 0, target_modules } = json;
  const { use_rslora = false, use_dora = false } = json;
  if (typeof r !== 'number') throw refuse('r');
  if (typeof lora_alpha !== 'number') throw refuse('lora_alpha');
  if (typeof lora_dropout !== 'number') throw refuse('lora_dropout');
  if (typeof use_rslora !== 'boolean') throw refuse('use_rslora');
  if (typeof use_dora !== 'boolean') throw refuse('use_dora');
  const targets = targetNames(target_modules, model);
  if (!targets) throw refuse('target_modules');
  return { r, lora_alpha, lora_dropout, use_rslora, use_dora, target_modules: targets };
}

/** A list of names as it is; PEFT's "all-linear", or a pattern that must match a whole name, as the full names. */
function targetNames(target: unknown, model: LanguageModel): string[] | null {
  if (Array.isArray(target)) return target.every((name) => typeof name === 'string') ? target : null;
  if (typeof target !== 'string') return null;
  const names = model.architecture.linears(model.config).map(({ name }) => name);
  if (target === 'all-linear') return names;
  try {
    const pattern = new RegExp(`^(?:${target})$`, 'u');
    return names.filter((name) => pattern.test(name));
  } catch {
    return null;
  }
}

function badAdapter(message: string): PlaygroundError {
  return new PlaygroundError('bad-adapter', message, 'Use an adapter that was trained on this base model.');
}
