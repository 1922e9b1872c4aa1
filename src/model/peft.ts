// Adapters in PEFT's format, in and out: `adapter_config.json` and `adapter_model.safetensors` with PEFT's own keys, so
// that an adapter trained here loads in Python with PeftModel.from_pretrained, and one trained there plays here.

import { PlaygroundError } from '../shared/errors';
import type { LoraSettings } from '../shared/experiment';
import { parseObject, show } from './json';
import { Adapter, type AdapterValue, HEAD, loraShapes, targetLayers } from './lora';
import { floats, parseSafetensors, writeSafetensors } from './safetensors';
import type { LanguageModel, ReadFile } from './types';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
const PREFIX = 'base_model.model.';

/** The two files by name. */
export async function writePeft(model: LanguageModel, adapter: Adapter): Promise<Map<string, Uint8Array>> {
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [name, variable] of adapter.variables) {
    const values = (await variable.data()) as Float32Array;
    tensors.set(PREFIX + name, { shape: variable.shape, values });
  }
  const config = JSON.stringify(peftConfig(model, adapter), null, 2) + '\n';
  return new Map([
    [CONFIG, new TextEncoder().encode(config)],
    [WEIGHTS, writeSafetensors(tensors)],
  ]);
}

/** Every key PEFT writes for LoRA, sorted as PEFT sorts them. */
function peftConfig(model: LanguageModel, { settings, variables }: Adapter): Record<string, unknown> {
  const head = variables.has(HEAD);
  return {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: model.name.replace(/^\w+:/, ''),
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
    revision: null,
    target_modules: settings.target_modules,
    task_type: head ? 'SEQ_CLS' : 'CAUSAL_LM',
    use_dora: settings.use_dora ?? false,
    use_rslora: settings.use_rslora,
  };
}

/** The adapter in a PEFT directory; `name` is also what messages call it. Throws `bad-adapter`, `bad-weights`, `not-found`. */
export async function readPeft(model: LanguageModel, read: ReadFile, name: string): Promise<Adapter> {
  const settings = parseConfig(
    new TextDecoder().decode(await need(read, CONFIG, name)),
    model,
    `${name}/${CONFIG}`,
  );
  const file = parseSafetensors(await need(read, WEIGHTS, name), `${name}/${WEIGHTS}`);
  const shapes = new Map(targetLayers(model, settings).flatMap((layer) => loraShapes(layer, settings)));
  if (file.tensors.has(PREFIX + HEAD)) shapes.set(HEAD, [1, model.config.width]);
  for (const key of file.tensors.keys()) {
    if (!key.startsWith(PREFIX) || !shapes.has(key.slice(PREFIX.length))) {
      throw badAdapter(
        `${file.file} has a tensor "${key}" that ${CONFIG} and ${model.name} have no place for`,
      );
    }
  }
  const values = new Map<string, AdapterValue>();
  for (const [key, shape] of shapes) {
    const stored = file.tensors.get(PREFIX + key);
    if (!stored) throw badAdapter(`${file.file} has no tensor "${PREFIX}${key}"`);
    if (stored.shape.join() !== shape.join()) {
      throw badAdapter(
        `${file.file} tensor "${PREFIX}${key}" has shape [${stored.shape.join(', ')}], but ${model.name} and r need [${shape.join(', ')}]`,
      );
    }
    values.set(key, { shape, values: floats(file, PREFIX + key) });
  }
  return new Adapter(name, settings, values);
}

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
