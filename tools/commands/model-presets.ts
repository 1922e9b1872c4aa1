// The shapes of published models, as their config.json give them: what `make-model` can make.

type Config = Record<string, unknown>;

interface GptNeo {
  hidden_size: number;
  num_layers: number;
  num_heads: number;
  vocab_size: number;
  max_position_embeddings: number;
  window_size: number;
}

const gptNeo = (shape: GptNeo, eos = shape.vocab_size - 1): Config => ({
  architectures: ['GPTNeoForCausalLM'],
  model_type: 'gpt_neo',
  activation_function: 'gelu_new',
  attention_types: [[['global', 'local'], shape.num_layers / 2]],
  attention_dropout: 0,
  embed_dropout: 0,
  resid_dropout: 0,
  intermediate_size: null,
  layer_norm_epsilon: 1e-5,
  bos_token_id: eos,
  eos_token_id: eos,
  ...shape,
});

const tinyStories = (hidden_size: number, num_layers: number): Config =>
  gptNeo({
    hidden_size,
    num_layers,
    num_heads: 16,
    vocab_size: 50257,
    max_position_embeddings: 2048,
    window_size: 256,
  });

const gpt2 = (n_layer: number): Config => ({
  architectures: ['GPT2LMHeadModel'],
  model_type: 'gpt2',
  activation_function: 'gelu_new',
  attn_pdrop: 0,
  embd_pdrop: 0,
  resid_pdrop: 0,
  layer_norm_epsilon: 1e-5,
  n_embd: 768,
  n_head: 12,
  n_layer,
  n_positions: 1024,
  vocab_size: 50257,
  bos_token_id: 50256,
  eos_token_id: 50256,
});

interface Llama {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  vocab_size: number;
  max_position_embeddings: number;
}

const llama = (shape: Llama): Config => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  rope_scaling: null,
  tie_word_embeddings: true,
  bos_token_id: 0,
  eos_token_id: 0,
  ...shape,
});

const pythia = (hidden_size: number, num_hidden_layers: number, num_attention_heads: number): Config => ({
  architectures: ['GPTNeoXForCausalLM'],
  model_type: 'gpt_neox',
  hidden_act: 'gelu',
  hidden_size,
  intermediate_size: 4 * hidden_size,
  num_hidden_layers,
  num_attention_heads,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 2048,
  rotary_emb_base: 10000,
  rotary_pct: 0.25,
  use_parallel_residual: true,
  tie_word_embeddings: false,
  vocab_size: 50304,
  bos_token_id: 0,
  eos_token_id: 0,
});

export const presets = {
  'gpt-neo-tiny': gptNeo(
    {
      hidden_size: 32,
      num_layers: 4,
      num_heads: 4,
      vocab_size: 97,
      max_position_embeddings: 64,
      window_size: 4,
    },
    0,
  ),
  'stories-neo': gptNeo(
    {
      hidden_size: 256,
      num_layers: 6,
      num_heads: 8,
      vocab_size: 4096,
      max_position_embeddings: 512,
      window_size: 128,
    },
    0,
  ),
  'tinystories-1m': tinyStories(64, 8),
  'tinystories-8m': tinyStories(256, 8),
  'tinystories-33m': tinyStories(768, 4),
  'gpt-neo-125m': gptNeo({
    hidden_size: 768,
    num_layers: 12,
    num_heads: 12,
    vocab_size: 50257,
    max_position_embeddings: 2048,
    window_size: 256,
  }),
  distilgpt2: gpt2(6),
  gpt2: gpt2(12),
  'tinystories-llama-15m': llama({
    hidden_size: 288,
    intermediate_size: 768,
    num_hidden_layers: 6,
    num_attention_heads: 6,
    num_key_value_heads: 6,
    vocab_size: 32000,
    max_position_embeddings: 256,
  }),
  'smollm-135m': llama({
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    vocab_size: 49152,
    max_position_embeddings: 2048,
  }),
  'smollm-360m': llama({
    hidden_size: 960,
    intermediate_size: 2560,
    num_hidden_layers: 32,
    num_attention_heads: 15,
    num_key_value_heads: 5,
    vocab_size: 49152,
    max_position_embeddings: 2048,
  }),
  'pythia-70m': pythia(512, 6, 8),
  'pythia-160m': pythia(768, 12, 12),
} satisfies Record<string, Config>;
