// Loads a language model from a directory in Hugging Face layout, wherever the directory is: the caller says how a
// file is read. Every tensor must be there once, in its shape, and finite, before the model is handed out.

import { disposePacked, type PackedMatrix } from '../engine/ops/dequantize';
import { mostTensorBytes, upload } from '../engine/memory';
import { tf } from '../engine/tf';
import { PlaygroundError } from '../shared/errors';
import type { Quantization } from '../shared/experiment';
import { fingerprint, fingerprintOfNumbers } from '../shared/fingerprint';
import { isObject } from './json';
import { packMatrix } from './quantize';
import { parseModelJson, readConfig } from './read-config';
import { floats, parseSafetensors, type Safetensors, streamSafetensors } from './safetensors';
import { createTokenizer } from './tokenizer';
import type { Architecture, LanguageModel, LoadProgress, ModelConfig, ReadFile, Tokenizer } from './types';

/**
 * Weights in F32, F16 or BF16, in one file or in shards; those of linear layers are kept as `quantization` says.
 * `onProgress` counts parameters read, as bytes of float32; `source` is the name shown in messages. Throws `bad-model`,
 * `bad-weights`, `bad-tokenizer` or `not-found`; nothing stays in memory then.
 */
export async function loadModel(
  source: string,
  read: ReadFile,
  onProgress: LoadProgress = () => {},
  quantization: Quantization = 'none',
): Promise<LanguageModel> {
  const files = new Map<string, Uint8Array>();
  const noting: ReadFile = async (path) => {
    const bytes = await read(path);
    if (bytes) files.set(path, bytes);
    return bytes;
  };
  const { architecture, config } = readConfig(
    await readWhole(source, noting, 'config.json'),
    `${source}/config.json`,
  );
  const tokenizer = await readTokenizer(source, noting, config);
  const shapes = architecture.parameters(config);
  const weights = new Map<string, tf.Tensor>();
  const packed = new Map<string, PackedMatrix>();
  const linears = new Set(architecture.linears(config).map(({ name }) => `${name}.weight`));
  const packs = (name: string): boolean => quantization !== 'none' && linears.has(name);
  refuseTooLarge(source, shapes, packs);
  const prints: string[] = [];
  const fresh: tf.Tensor[] = [];
  const keep = (name: string, values: Float32Array, shape: number[]): void => {
    prints.push(`${name} ${fingerprintOfNumbers(values)}`);
    if (quantization !== 'none' && packs(name)) {
      const matrix = packMatrix(values, shape as [number, number], quantization);
      packed.set(name, matrix);
      fresh.push(matrix.packed, matrix.scales);
    } else {
      const weight = tf.tensor(values, shape);
      weights.set(name, weight);
      fresh.push(weight);
    }
  };
  const has = (name: string): boolean => weights.has(name) || packed.has(name);
  const total = [...shapes.values()].reduce((sum, shape) => sum + tf.util.sizeFromShape(shape), 0);
  let parameters = 0;
  try {
    for (const shard of await shardNames(source, read)) {
      const name = `${source}/${shard}`;
      const pieces = await read.open?.(shard);
      // Of a large model there is room for the weights and not for the file beside them.
      const files = pieces
        ? streamSafetensors(pieces, name)
        : [parseSafetensors(await readWhole(source, read, shard), name)];
      for await (const file of files) {
        parameters += takeTensors(file, architecture, shapes, has, keep);
        await upload(fresh.splice(0));
        onProgress(shard, 4 * parameters, 4 * total);
      }
    }
    for (const name of shapes.keys()) {
      if (!has(name)) throw badWeights(`${source} has no tensor "${name}"`);
    }
  } catch (error) {
    tf.dispose([...weights.values()]);
    packed.forEach(disposePacked);
    throw error;
  }
  // However the tensors were spread over files.
  const weightsPrint = fingerprint(new TextEncoder().encode(prints.sort().join()));
  const model = {
    ...{ name: source, architecture, config, weights, files, tokenizer, parameters },
    fingerprint: weightsPrint,
  };
  return quantization === 'none' ? model : { ...model, packed };
}

export function disposeModel(model: LanguageModel): void {
  tf.dispose([...model.weights.values()]);
  model.packed?.forEach(disposePacked);
}

/** Refuses tensors that the device cannot read in one piece, before any is read. */
function refuseTooLarge(
  source: string,
  shapes: ReadonlyMap<string, number[]>,
  packs: (name: string) => boolean,
): void {
  const most = mostTensorBytes();
  for (const [name, shape] of shapes) {
    const bytes = 4 * tf.util.sizeFromShape(shape);
    if (bytes <= most || packs(name)) continue;
    const [taken, given] = [bytes, most].map((size) => `${(size / 1e6).toFixed(1)} MB`);
    throw new PlaygroundError(
      'bad-model',
      `${source}: "${name}" takes ${taken}, and this graphics device reads at most ${given} at once`,
      'Choose a smaller model, or the device "wasm".',
    );
  }
}

async function readTokenizer(source: string, read: ReadFile, config: ModelConfig): Promise<Tokenizer | null> {
  const [definition, settings] = [await read('tokenizer.json'), await read('tokenizer_config.json')];
  if (!definition) return null;
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  const tokenizer = await createTokenizer(text(definition), settings && text(settings), source);
  if (tokenizer.vocabulary > config.vocabulary) {
    throw new PlaygroundError(
      'bad-tokenizer',
      `the tokenizer of ${source} has ids up to ${tokenizer.vocabulary - 1}, the model only up to ${config.vocabulary - 1}`,
      'Use the tokenizer files that belong to the model.',
    );
  }
  return tokenizer;
}

/** The files that hold the weights, each once. */
async function shardNames(source: string, read: ReadFile): Promise<string[]> {
  const index = 'model.safetensors.index.json';
  const bytes = await read(index);
  if (!bytes) return ['model.safetensors'];
  const file = `${source}/${index}`;
  const map = parseModelJson(bytes, file)['weight_map'];
  const shards = isObject(map) ? [...new Set(Object.values(map))] : [];
  if (shards.length === 0) throw badWeights(`${file} has no "weight_map"`);
  return shards.map((shard) => {
    // A shard is a file beside its index and nothing else.
    if (typeof shard === 'string' && /^[\w.-]+\.safetensors$/.test(shard)) return shard;
    throw badWeights(`${file} names ${JSON.stringify(shard)}, which is no safetensors file beside it`);
  });
}

/** Hands every parameter of `file` to `keep`; returns how many numbers that were. */
function takeTensors(
  file: Safetensors,
  architecture: Architecture,
  shapes: ReadonlyMap<string, number[]>,
  has: (name: string) => boolean,
  keep: (name: string, values: Float32Array, shape: number[]) => void,
): number {
  let parameters = 0;
  for (const [stored, { shape }] of file.tensors) {
    const name = shapes.has(stored) ? stored : `${architecture.prefix}${stored}`;
    const expected = shapes.get(name);
    if (!expected) {
      if (architecture.ignored(stored)) continue;
      throw badWeights(`${file.file} has a tensor "${stored}" that this architecture does not know`);
    }
    if (has(name)) throw badWeights(`${file.file} has a second tensor "${name}"`);
    if (shape.join() !== expected.join()) {
      throw badWeights(
        `${file.file} tensor "${stored}" has shape [${shape.join(', ')}], but config.json says [${expected.join(', ')}]`,
      );
    }
    const values = floats(file, stored);
    parameters += values.length;
    keep(name, values, expected);
  }
  return parameters;
}

async function readWhole(source: string, read: ReadFile, path: string): Promise<Uint8Array> {
  const bytes = await read(path);
  if (bytes) return bytes;
  throw new PlaygroundError(
    'not-found',
    `${source} has no ${path}`,
    'A model directory needs config.json and model.safetensors (or its shards and their index).',
  );
}

function badWeights(message: string): PlaygroundError {
  return new PlaygroundError('bad-weights', message, 'Use the weights that belong to this config.json.');
}
