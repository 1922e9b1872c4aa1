// Llama (Touvron et al. 2023), read top to bottom: also SmolLM and TinyStories-Llama, and Mistral, which is Llama with
// a sliding window. Rotary positions, RMSNorm, a gated MLP, and heads of keys and values shared among queries.

import { repeatHeads } from '../../engine/ops/repeat-heads';
import { rotary } from '../../engine/ops/rotary';
import { swiglu } from '../../engine/ops/swiglu';
import type { tf } from '../../engine/tf';
import { angles, type Frequencies, ropeFrequencies } from '../rope';
import type { Architecture, ForwardInput, LanguageModel, LinearLayer, ModelConfig } from '../types';
import { configReader } from './config';
import { layersOf, runBlocks } from './layers';

interface LlamaConfig extends ModelConfig {
  frequencies: Frequencies;
  attentionBias: boolean;
  mlpBias: boolean;
}

/** ids int32 [N] → [N, C]. Q = heads · headDim, K = kvHeads · headDim. */
function forward(model: LanguageModel, input: ForwardInput): tf.Tensor2D {
  const { heads, headDim, kvHeads, windows, frequencies } = model.config as LlamaConfig;
  const { embed, linear, linears, onward, rmsNorm, forkRmsNorm } = layersOf(model, input);
  const turns = angles(frequencies, input.positions, model.gradientCheckpointing);
  const scale = 1 / Math.sqrt(headDim);

  const block = (i: number, x: tf.Tensor2D): tf.Tensor2D => {
    const layer = `model.layers.${i}`;
    const { cos, sin } = turns(); // [N, D/2]
    const { normed, past } = forkRmsNorm(`${layer}.input_layernorm`, x); // [N, C] each
    const projections = ['q_proj', 'k_proj', 'v_proj'].map((name) => `${layer}.self_attn.${name}`);
    const [queries, keys, v] = linears(projections, normed) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    const q = rotary(queries, cos, sin, heads); // [N, Q]
    const k = rotary(keys, cos, sin, kvHeads); // [N, K], as v
    const shared = (kv: tf.Tensor2D) => repeatHeads(kv, kvHeads, heads / kvHeads); // [N, Q]
    const call = { heads, window: windows[i] ?? 0, scale };
    const mixed = onward(i, input.attend(i, q, shared(k), shared(v), call)); // [N, Q]
    const y = linear(`${layer}.self_attn.o_proj`, mixed, onward(i, past)); // [N, C]
    const g = forkRmsNorm(`${layer}.post_attention_layernorm`, y); // [N, C] each
    const [gate, up] = linears([`${layer}.mlp.gate_proj`, `${layer}.mlp.up_proj`], g.normed); // [N, I] each
    return linear(`${layer}.mlp.down_proj`, swiglu(gate!, up!), g.past); // [N, C]
  };

  let x = embed('model.embed_tokens'); // [N, C]
  x = runBlocks(model, input, block, x); // [N, C]
  return rmsNorm('model.norm', x); // [N, C]
}

function parseConfig(json: Record<string, unknown>, file: string): LlamaConfig {
  const config = configReader(json, file);
  const width = config.count('hidden_size', 65_536);
  const layers = config.count('num_hidden_layers', 1024);
  const heads = config.count('num_attention_heads', 65_536);
  const kvHeads = config.count('num_key_value_heads', heads, heads);
  if (heads % kvHeads !== 0)
    throw config.bad('num_key_value_heads', `does not divide num_attention_heads ${heads}`);
  if ((json['head_dim'] ?? null) === null && width % heads !== 0)
    throw config.bad(
      'num_attention_heads',
      `does not divide hidden_size ${width}, and there is no "head_dim"`,
    );
  const headDim = config.count('head_dim', 65_536, width / heads);
  if (headDim % 2 !== 0) throw config.bad('head_dim', `makes heads of ${headDim} numbers; it must be even`);
  config.choice('hidden_act', 'silu');
  const partial = config.positive('partial_rotary_factor', 1);
  if (partial !== 1) throw config.bad('partial_rotary_factor', 'must be 1');
  const mistral = json['model_type'] === 'mistral' && (json['sliding_window'] ?? null) !== null;
  const window = mistral ? config.count('sliding_window', 2 ** 30) : 0;
  return {
    architecture: String(json['model_type']),
    width,
    layers,
    heads,
    headDim,
    kvHeads,
    inner: config.count('intermediate_size', 2 ** 20),
    context: config.count('max_position_embeddings', 2 ** 24),
    vocabulary: config.count('vocab_size', 2 ** 24),
    epsilon: config.positive('rms_norm_eps', 1e-6),
    eosId: config.eosId(),
    windows: Array.from({ length: layers }, () => window),
    tied: config.flag('tie_word_embeddings', false),
    frequencies: ropeFrequencies(json, config, headDim, 'rope_theta'),
    attentionBias: config.flag('attention_bias', false),
    mlpBias: config.flag('mlp_bias', false),
  };
}

function linears({ layers, width, heads, headDim, kvHeads, inner }: ModelConfig): LinearLayer[] {
  const names: [string, number, number][] = [
    ['self_attn.q_proj', width, heads * headDim],
    ['self_attn.k_proj', width, kvHeads * headDim],
    ['self_attn.v_proj', width, kvHeads * headDim],
    ['self_attn.o_proj', heads * headDim, width],
    ['mlp.gate_proj', width, inner],
    ['mlp.up_proj', width, inner],
    ['mlp.down_proj', inner, width],
  ];
  return Array.from({ length: layers }, (_, i) =>
    names.map(([name, inputs, outputs]) => ({ name: `model.layers.${i}.${name}`, inputs, outputs })),
  ).flat();
}

function parameters(config: LlamaConfig): Map<string, number[]> {
  const { width, layers, vocabulary, tied, attentionBias, mlpBias } = config;
  const shapes = new Map<string, number[]>([['model.embed_tokens.weight', [vocabulary, width]]]);
  for (let i = 0; i < layers; i++) {
    shapes.set(`model.layers.${i}.input_layernorm.weight`, [width]);
    shapes.set(`model.layers.${i}.post_attention_layernorm.weight`, [width]);
  }
  for (const { name, inputs, outputs } of linears(config)) {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    if (name.includes('.mlp.') ? mlpBias : attentionBias) shapes.set(`${name}.bias`, [outputs]);
  }
  shapes.set('model.norm.weight', [width]);
  if (!tied) shapes.set('lm_head.weight', [vocabulary, width]);
  return shapes;
}

export const llama: Architecture = {
  parseConfig,
  parameters,
  // Buffers of old checkpoints, and the tied head that some repeat.
  ignored: (name) => /\.rotary_emb\.inv_freq$|^lm_head\.weight$/.test(name),
  prefix: 'model.',
  head: ({ tied }) => (tied ? 'model.embed_tokens.weight' : 'lm_head.weight'),
  linears,
  forward,
};
