// `make-model`: a Hugging Face directory with the true shape of a published model and random weights, to measure speed
// and memory without a download. The tensors are written one after the other, never all in memory.
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { normals } from '../../src/engine/random.ts';
import { prepareDirectory, writeOutput } from '../files.ts';
import { GPT2_VOCABULARY, gpt2Tokenizer } from './gpt2-tokenizer.ts';
import { standInTokenizer } from './make-tokenizer.ts';
import { presets } from './model-presets.ts';

export const presetNames = Object.keys(presets) as (keyof typeof presets)[];

/** As these models are initialised: normal with this deviation, norms at one, biases at zero. */
const deviation = 0.02;
const chunkValues = 1 << 20;

/** The bytes of a safetensors file, in pieces: 8 bytes of header length, the header as JSON, the tensors in order. */
function* safetensors(shapes: ReadonlyMap<string, readonly number[]>, seed: number): Generator<Uint8Array> {
  const sizes = [...shapes].map(([name, shape]) => ({
    name,
    shape,
    count: shape.reduce((a, b) => a * b, 1),
  }));
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const { name, shape, count } of sizes) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, (end += 4 * count)] };
  }
  const json = JSON.stringify(header);
  const text = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  yield length;
  yield text;
  for (const [index, { name, count }] of sizes.entries()) {
    for (let from = 0; from < count; from += chunkValues) {
      const n = Math.min(chunkValues, count - from);
      yield new Uint8Array(initial(name, n, [seed, index, from]).buffer);
    }
  }
}

function initial(name: string, count: number, words: number[]): Float32Array {
  if (name.endsWith('.bias')) return new Float32Array(count);
  if (/(\.ln_\w+|norm)\.weight$/.test(name)) return new Float32Array(count).fill(1);
  return normals(count, ...words).map((value) => deviation * value);
}

export async function makeModel(input: {
  preset: keyof typeof presets;
  out: string;
  seed: number;
}): Promise<void> {
  const { ARCHITECTURES } = await import('../../src/model/architectures/index.ts');
  const config: Record<string, unknown> = {
    ...presets[input.preset],
    initializer_range: deviation,
    torch_dtype: 'float32',
  };
  const architecture = ARCHITECTURES.get(config['model_type'] as string)!;
  const parsed = architecture.parseConfig(config, 'config.json');
  prepareDirectory(input.out);
  const weights = createWriteStream(join(input.out, 'model.safetensors'));
  await pipeline(Readable.from(safetensors(architecture.parameters(parsed), input.seed)), weights);
  const { vocabulary, eosId } = parsed;
  const known = vocabulary === GPT2_VOCABULARY;
  const tokenizer = known ? gpt2Tokenizer() : standInTokenizer(vocabulary, eosId ?? 0);
  const files = { 'config.json': config, ...tokenizer };
  for (const [name, json] of Object.entries(files))
    writeOutput(join(input.out, name), `${JSON.stringify(json, null, 2)}\n`);
  console.error(
    `wrote ${input.out}: ${input.preset} with random weights and ${known ? 'GPT-2’s' : 'a stand-in'} tokenizer`,
  );
}
