// GPT-2 (Radford et al. 2019), read top to bottom: distilgpt2, gpt2 and larger. Its linear layers are "Conv1D", with
// weights [in, out], and one of them computes q, k and v.

import { geluExact } from '../../engine/ops/gelu';
import { tf } from '../../engine/tf';
import type { Architecture, ForwardInput, LanguageModel, LinearLayer, ModelConfig } from '../types';
import { configReader } from './config';
import { layersOf, runBlocks } from './layers';

interface Gpt2Config extends ModelConfig {
  activation: 'gelu_new' | 'gelu';
  /** Multiplies the attention scores. */
  scale: number;
}

/** ids int32 [N] → [N, C]. */
function forward(model: LanguageModel, input: ForwardInput): tf.Tensor2D {
  const { heads, scale, activation } = model.config as Gpt2Config;
  const { embed, linear, linearGelu, onward, layerNorm, forkLayerNorm } = layersOf(model, input);

  const block = (i: number, x: tf.Tensor2D): tf.Tensor2D => {
    const h = `transformer.h.${i}`;
    const { normed, past } = forkLayerNorm(`${h}.ln_1`, x); // [N, C] each
    const fused = linear(`${h}.attn.c_attn`, normed); // [N, 3C]
    const [q, k, v] = tf.split(fused, 3, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D]; // [N, C] each
    const mixed = onward(i, input.attend(i, q, k, v, { heads, window: 0, scale })); // [N, C]
    const attended = linear(`${h}.attn.c_proj`, mixed, onward(i, past)); // [N, C]
    const y = forkLayerNorm(`${h}.ln_2`, attended); // [N, C] each
    const fc = `${h}.mlp.c_fc`;
    const inner = activation === 'gelu' ? geluExact(linear(fc, y.normed)) : linearGelu(fc, y.normed); // [N, 4C]
    return linear(`${h}.mlp.c_proj`, inner, y.past); // [N, C]
  };

  const places = embed('transformer.wpe', tf.tensor1d(input.positions, 'int32')); // [N, C]
  let x = tf.add<tf.Tensor2D>(embed('transformer.wte'), places); // [N, C]
  x = runBlocks(model, input, block, x); // [N, C]
  return layerNorm('transformer.ln_f', x); // [N, C]
}

function parseConfig(json: Record<string, unknown>, file: string): Gpt2Config {
  const config = configReader(json, file);
  const width = config.count('n_embd', 65_536);
  const layers = config.count('n_layer', 1024);
  const heads = config.count('n_head', width);
  if (width % heads !== 0) throw config.bad('n_head', `does not divide n_embd ${width}`);
  for (const field of ['scale_attn_by_inverse_layer_idx', 'add_cross_attention']) {
    if (config.flag(field, false)) throw config.bad(field, 'must be false');
  }
  const scaled = config.flag('scale_attn_weights', true);
  return {
    architecture: 'gpt2',
    width,
    layers,
    heads,
    headDim: width / heads,
    kvHeads: heads,
    inner: config.count('n_inner', 2 ** 20, 4 * width),
    context: config.count('n_positions', 2 ** 24),
    vocabulary: config.count('vocab_size', 2 ** 24),
    epsilon: config.positive('layer_norm_epsilon', 1e-5),
    eosId: config.eosId(),
    windows: Array.from({ length: layers }, () => 0),
    tied: config.flag('tie_word_embeddings', true),
    activation:
      config.choice('activation_function', 'gelu_new', 'gelu_pytorch_tanh', 'gelu') === 'gelu'
        ? 'gelu'
        : 'gelu_new',
    scale: scaled ? 1 / Math.sqrt(width / heads) : 1,
  };
}

function linears({ layers, width, inner }: ModelConfig): LinearLayer[] {
  const names: [string, number, number][] = [
    ['attn.c_attn', width, 3 * width],
    ['attn.c_proj', width, width],
    ['mlp.c_fc', width, inner],
    ['mlp.c_proj', inner, width],
  ];
  return Array.from({ length: layers }, (_, i) =>
    names.map(([name, inputs, outputs]) => ({ name: `transformer.h.${i}.${name}`, inputs, outputs })),
  ).flat();
}

function parameters(config: ModelConfig): Map<string, number[]> {
  const { width, layers, vocabulary, context, tied } = config;
  const shapes = new Map<string, number[]>();
  const norm = (name: string) => shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  shapes.set('transformer.wte.weight', [vocabulary, width]).set('transformer.wpe.weight', [context, width]);
  for (let i = 0; i < layers; i++) {
    norm(`transformer.h.${i}.ln_1`);
    norm(`transformer.h.${i}.ln_2`);
  }
  for (const { name, inputs, outputs } of linears(config)) {
    shapes.set(`${name}.weight`, [inputs, outputs]).set(`${name}.bias`, [outputs]);
  }
  norm('transformer.ln_f');
  if (!tied) shapes.set('lm_head.weight', [vocabulary, width]);
  return shapes;
}

export const gpt2: Architecture = {
  parseConfig,
  parameters,
  // Mask buffers of old checkpoints, and the tied head that some repeat.
  ignored: (name) => /\.attn\.(masked_)?bias$|^lm_head\.weight$/.test(name),
  prefix: 'transformer.',
  head: ({ tied }) => (tied ? 'transformer.wte.weight' : 'lm_head.weight'),
  linears,
  fanInFanOut: true,
  forward,
};
