// `make-model`: a Hugging Face directory with the true shape of a published model and random weights, to measure speed
// and memory without a download. The tensors are written one after the other, never all in memory.
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { normals } from '../../src/engine/random.ts';
import { writeOutput } from '../files.ts';

interface Preset {
  hidden_size: number;
  num_layers: number;
  num_heads: number;
  vocab_size: number;
  max_position_embeddings: number;
  window_size: number;
}

const presets = {
  'stories-neo': {
    hidden_size: 256,
    num_layers: 6,
    num_heads: 8,
    vocab_size: 4096,
    max_position_embeddings: 512,
    window_size: 128,
  },
  'tinystories-33m': {
    hidden_size: 768,
    num_layers: 4,
    num_heads: 16,
    vocab_size: 50257,
    max_position_embeddings: 2048,
    window_size: 256,
  },
  'gpt-neo-125m': {
    hidden_size: 768,
    num_layers: 12,
    num_heads: 12,
    vocab_size: 50257,
    max_position_embeddings: 2048,
    window_size: 256,
  },
} satisfies Record<string, Preset>;

export const presetNames = Object.keys(presets) as (keyof typeof presets)[];

/** GPT-Neo's own initialisation: normal with this deviation, layer norms at one, biases at zero. */
const deviation = 0.02;
const chunkValues = 1 << 20;

function configOf(preset: Preset): Record<string, unknown> {
  return {
    architectures: ['GPTNeoForCausalLM'],
    model_type: 'gpt_neo',
    activation_function: 'gelu_new',
    attention_types: [[['global', 'local'], preset.num_layers / 2]],
    attention_dropout: 0,
    embed_dropout: 0,
    resid_dropout: 0,
    intermediate_size: null,
    layer_norm_epsilon: 1e-5,
    initializer_range: deviation,
    bos_token_id: preset.vocab_size - 1,
    eos_token_id: preset.vocab_size - 1,
    torch_dtype: 'float32',
    ...preset,
  };
}

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
  if (/\.ln_\w+\.weight$/.test(name)) return new Float32Array(count).fill(1);
  return normals(count, ...words).map((value) => deviation * value);
}

export async function makeModel(input: {
  preset: keyof typeof presets;
  out: string;
  seed: number;
}): Promise<void> {
  const { gptNeo } = await import('../../src/model/architectures/gpt-neo.ts');
  const config = configOf(presets[input.preset]);
  const shapes = gptNeo.parameters(gptNeo.parseConfig(config, 'config.json'));
  mkdirSync(input.out, { recursive: true });
  const weights = createWriteStream(join(input.out, 'model.safetensors'));
  await pipeline(Readable.from(safetensors(shapes, input.seed)), weights);
  writeOutput(join(input.out, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  console.error(`wrote ${input.out}: ${input.preset} with random weights, no tokenizer`);
}
