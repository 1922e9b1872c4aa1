// GPT-NeoX (Black et al. 2022), read top to bottom: the Pythia models. Attention and MLP read the same input and are
// added together, only part of each head is rotated, and q, k and v lie head by head in one matrix.

import { geluExact } from '../../engine/ops/gelu';
import { rotary } from '../../engine/ops/rotary';
import { tf } from '../../engine/tf';
import { angles, type Frequencies, ropeFrequencies } from '../rope';
import type { Architecture, ForwardInput, LanguageModel, LinearLayer, ModelConfig } from '../types';
import { configReader } from './config';
import { layersOf, runBlocks } from './layers';

interface GptNeoXConfig extends ModelConfig {
  frequencies: Frequencies;
  parallel: boolean;
  attentionBias: boolean;
  activation: 'gelu' | 'gelu_new';
}

/** ids int32 [N] → [N, C]. */
function forward(model: LanguageModel, input: ForwardInput): tf.Tensor2D {
  const { width, heads, headDim, frequencies, parallel, activation } = model.config as GptNeoXConfig;
  const { embed, linear, linearGelu, onward, layerNorm, forkLayerNorm } = layersOf(model, input);
  const turns = angles(frequencies, input.positions, model.gradientCheckpointing);
  const call = { heads, window: 0, scale: 1 / Math.sqrt(headDim) };

  const block = (i: number, x: tf.Tensor2D): tf.Tensor2D => {
    const layer = `gpt_neox.layers.${i}`;
    const { cos, sin } = turns(); // [N, R/2]
    const fork = forkLayerNorm(`${layer}.input_layernorm`, x); // [N, C] each
    const fused = linear(`${layer}.attention.query_key_value`, fork.normed); // [N, 3C]
    const parts = tf.split(tf.reshape(fused, [-1, heads, 3 * headDim]), 3, 2); // [N, H, D] each
    const [q, k, v] = parts.map((part) => tf.reshape(part, [-1, width])) as [
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor2D,
    ]; // [N, C] each
    const [turnedQ, turnedK] = [q, k].map((part) => rotary(part, cos, sin, heads)) as [
      tf.Tensor2D,
      tf.Tensor2D,
    ];
    const mixed = onward(i, input.attend(i, turnedQ, turnedK, v, call)); // [N, C]
    const past = onward(i, fork.past); // [N, C]
    const dense = (add: tf.Tensor2D) => linear(`${layer}.attention.dense`, mixed, add); // [N, C]
    const g = forkLayerNorm(`${layer}.post_attention_layernorm`, parallel ? past : dense(past)); // [N, C] each
    const fc = `${layer}.mlp.dense_h_to_4h`;
    const inner = activation === 'gelu' ? geluExact(linear(fc, g.normed)) : linearGelu(fc, g.normed); // [N, I]
    return linear(`${layer}.mlp.dense_4h_to_h`, inner, parallel ? dense(g.past) : g.past); // [N, C]
  };

  let x = embed('gpt_neox.embed_in'); // [N, C]
  x = runBlocks(model, input, block, x); // [N, C]
  return layerNorm('gpt_neox.final_layer_norm', x); // [N, C]
}

function parseConfig(json: Record<string, unknown>, file: string): GptNeoXConfig {
  const config = configReader(json, file);
  const width = config.count('hidden_size', 65_536);
  const layers = config.count('num_hidden_layers', 1024);
  const heads = config.count('num_attention_heads', width);
  if (width % heads !== 0) throw config.bad('num_attention_heads', `does not divide hidden_size ${width}`);
  const headDim = width / heads;
  const rotated = Math.floor(headDim * config.positive('rotary_pct', 0.25));
  if (rotated % 2 !== 0 || rotated === 0 || rotated > headDim)
    throw config.bad(
      'rotary_pct',
      `rotates ${rotated} of the ${headDim} numbers of a head; it must be an even share`,
    );
  return {
    architecture: 'gpt_neox',
    width,
    layers,
    heads,
    headDim,
    kvHeads: heads,
    inner: config.count('intermediate_size', 2 ** 20),
    context: config.count('max_position_embeddings', 2 ** 24),
    vocabulary: config.count('vocab_size', 2 ** 24),
    epsilon: config.positive('layer_norm_eps', 1e-5),
    eosId: config.eosId(),
    windows: Array.from({ length: layers }, () => 0),
    tied: config.flag('tie_word_embeddings', false),
    frequencies: ropeFrequencies(json, config, rotated, 'rotary_emb_base'),
    parallel: config.flag('use_parallel_residual', true),
    attentionBias: config.flag('attention_bias', true),
    activation:
      config.choice('hidden_act', 'gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh') === 'gelu'
        ? 'gelu'
        : 'gelu_new',
  };
}

function linears({ layers, width, inner }: ModelConfig): LinearLayer[] {
  const names: [string, number, number][] = [
    ['attention.query_key_value', width, 3 * width],
    ['attention.dense', width, width],
    ['mlp.dense_h_to_4h', width, inner],
    ['mlp.dense_4h_to_h', inner, width],
  ];
  return Array.from({ length: layers }, (_, i) =>
    names.map(([name, inputs, outputs]) => ({ name: `gpt_neox.layers.${i}.${name}`, inputs, outputs })),
  ).flat();
}

function parameters(config: GptNeoXConfig): Map<string, number[]> {
  const { width, layers, vocabulary, tied, attentionBias } = config;
  const shapes = new Map<string, number[]>([['gpt_neox.embed_in.weight', [vocabulary, width]]]);
  const norm = (name: string) => shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  for (let i = 0; i < layers; i++) {
    norm(`gpt_neox.layers.${i}.input_layernorm`);
    norm(`gpt_neox.layers.${i}.post_attention_layernorm`);
  }
  for (const { name, inputs, outputs } of linears(config)) {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    if (attentionBias || name.includes('.mlp.')) shapes.set(`${name}.bias`, [outputs]);
  }
  norm('gpt_neox.final_layer_norm');
  if (!tied) shapes.set('embed_out.weight', [vocabulary, width]);
  return shapes;
}

export const gptNeoX: Architecture = {
  parseConfig,
  parameters,
  // Buffers of old checkpoints, and the tied head that some repeat.
  ignored: (name) =>
    /\.attention\.((masked_)?bias|rotary_emb\.inv_freq)$|^(embed_out|lm_head)\.weight$/.test(name),
  prefix: 'gpt_neox.',
  head: ({ tied }) => (tied ? 'gpt_neox.embed_in.weight' : 'embed_out.weight'),
  linears,
  forward,
};
