// GPT-Neo (Black et al. 2021), read top to bottom. What sets it apart from GPT-2: attention scores are not scaled,
// layers alternate between global attention and a local window, weights are [out, in], and q, k, v have no bias.

import { tf } from '../../engine/tf';
import type { PlaygroundError } from '../../shared/errors';
import type { Architecture, ForwardInput, LanguageModel, LinearLayer, ModelConfig } from '../types';
import { configReader } from './config';
import { layersOf, runBlocks } from './layers';

/** ids int32 [N] → [N, C]. */
function forward(model: LanguageModel, input: ForwardInput): tf.Tensor2D {
  const { heads, windows } = model.config;
  const { embed, linear, linears, linearGelu, onward, layerNorm, forkLayerNorm } = layersOf(model, input);

  const block = (i: number, x: tf.Tensor2D): tf.Tensor2D => {
    const h = `transformer.h.${i}`;
    const { normed, past } = forkLayerNorm(`${h}.ln_1`, x); // [N, C] each
    const projections = ['q_proj', 'k_proj', 'v_proj'].map((name) => `${h}.attn.attention.${name}`);
    const [q, k, v] = linears(projections, normed) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D]; // [N, C] each
    const mixed = onward(i, input.attend(i, q, k, v, { heads, window: windows[i] ?? 0, scale: 1 })); // [N, C]
    const attended = linear(`${h}.attn.attention.out_proj`, mixed, onward(i, past)); // [N, C]
    const y = forkLayerNorm(`${h}.ln_2`, attended); // [N, C] each
    return linear(`${h}.mlp.c_proj`, linearGelu(`${h}.mlp.c_fc`, y.normed), y.past); // [N, C], [N, 4C] inside
  };

  const places = embed('transformer.wpe', tf.tensor1d(input.positions, 'int32')); // [N, C]
  let x = tf.add<tf.Tensor2D>(embed('transformer.wte'), places); // [N, C]
  x = runBlocks(model, input, block, x); // [N, C]
  return layerNorm('transformer.ln_f', x); // [N, C]
}

function parseConfig(json: Record<string, unknown>, file: string): ModelConfig {
  const config = configReader(json, file);
  const width = config.count('hidden_size', 65_536);
  const layers = config.count('num_layers', 1024);
  const heads = config.count('num_heads', width);
  if (width % heads !== 0) throw config.bad('num_heads', `does not divide hidden_size ${width}`);
  if (json['activation_function'] !== 'gelu_new')
    throw config.bad('activation_function', 'must be "gelu_new"');
  if (json['tie_word_embeddings'] === false) throw config.bad('tie_word_embeddings', 'must be true');
  const local = config.count('window_size', 2 ** 30);
  return {
    architecture: 'gpt_neo',
    width,
    layers,
    heads,
    headDim: width / heads,
    kvHeads: heads,
    inner: config.count('intermediate_size', 2 ** 20, 4 * width),
    context: config.count('max_position_embeddings', 2 ** 24),
    vocabulary: config.count('vocab_size', 2 ** 24),
    epsilon: config.positive('layer_norm_epsilon'),
    eosId: config.eosId(),
    windows: attentionKinds(json, layers, config.bad).map((kind) => (kind === 'local' ? local : 0)),
    tied: true,
  };
}

/** "global" or "local" for each layer, from `attention_layers` or the run lengths of `attention_types`. */
function attentionKinds(
  json: Record<string, unknown>,
  layers: number,
  bad: (field: string, what: string) => PlaygroundError,
): string[] {
  const field = Array.isArray(json['attention_layers']) ? 'attention_layers' : 'attention_types';
  const problem = bad(field, `must name "global" or "local" for each of the ${layers} layers`);
  const listed: unknown = json[field];
  if (!Array.isArray(listed)) throw problem;
  const kinds: unknown[] = [];
  for (const item of listed as unknown[]) {
    if (field === 'attention_layers') {
      kinds.push(item);
      continue;
    }
    const [pattern, times] = (Array.isArray(item) ? item : []) as unknown[];
    if (!Array.isArray(pattern) || !(Number(times) <= layers)) throw problem;
    for (let n = 0; n < Number(times); n++) kinds.push(...(pattern as unknown[]));
  }
  const known = (kind: unknown): kind is string => kind === 'global' || kind === 'local';
  if (kinds.length !== layers || !kinds.every(known)) throw problem;
  return kinds;
}

function linears({ layers, width, inner }: ModelConfig): LinearLayer[] {
  const names: [string, number, number][] = [
    ['attn.attention.q_proj', width, width],
    ['attn.attention.k_proj', width, width],
    ['attn.attention.v_proj', width, width],
    ['attn.attention.out_proj', width, width],
    ['mlp.c_fc', width, inner],
    ['mlp.c_proj', inner, width],
  ];
  return Array.from({ length: layers }, (_, i) =>
    names.map(([name, inputs, outputs]) => ({ name: `transformer.h.${i}.${name}`, inputs, outputs })),
  ).flat();
}

function parameters(config: ModelConfig): Map<string, number[]> {
  const { width, layers, vocabulary, context } = config;
  const shapes = new Map<string, number[]>();
  const norm = (name: string) => shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  shapes.set('transformer.wte.weight', [vocabulary, width]).set('transformer.wpe.weight', [context, width]);
  for (let i = 0; i < layers; i++) {
    norm(`transformer.h.${i}.ln_1`);
    norm(`transformer.h.${i}.ln_2`);
  }
  for (const { name, inputs, outputs } of linears(config)) {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    if (!/[qkv]_proj$/.test(name)) shapes.set(`${name}.bias`, [outputs]);
  }
  norm('transformer.ln_f');
  return shapes;
}

export const gptNeo: Architecture = {
  parseConfig,
  parameters,
  // Mask buffers of old checkpoints, and the tied head that some repeat.
  ignored: (name) => /\.attn\.attention\.(masked_)?bias$|^lm_head\.weight$/.test(name),
  prefix: 'transformer.',
  head: () => 'transformer.wte.weight',
  linears,
  forward,
};
