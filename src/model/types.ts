// What the parts of a language model agree on: the model itself, its batches, its tokenizer, and the one thing an
// architecture must give (a forward pass that leaves open how attention finds its keys). Types only.

import type { PackedMatrix } from '../engine/ops/dequantize';
import type { tf } from '../engine/tf';
import type { Adapter } from './lora';

/** Reads one file of a directory; null when there is none of that name. */
export interface ReadFile {
  (path: string): Promise<Uint8Array | null>;
  /** The same as it comes, so that a large file is nowhere whole. */
  open?(path: string): Promise<AsyncIterable<Uint8Array> | null>;
}

export type LoadProgress = (what: string, loadedBytes: number, totalBytes: number) => void;

export interface Tokenizer {
  /** `special`: with the special tokens that the tokenizer's post-processor adds. */
  encode(text: string, options: { special: boolean }): number[];
  decode(ids: readonly number[], options: { skipSpecial: boolean }): string;
  /** What a token adds inside a text: with its leading space, where it has one; special tokens by their names. */
  textOf(id: number): string;
  eosId: number | null;
  /** One more than the largest id. */
  vocabulary: number;
}

/** config.json in one form, whatever the architecture calls things. */
export interface ModelConfig {
  /** Hugging Face's `model_type`. */
  architecture: string;
  width: number;
  layers: number;
  heads: number;
  /** Numbers of one head; heads · headDim need not be the width. */
  headDim: number;
  /** Heads of keys and values: each serves heads / kvHeads queries. */
  kvHeads: number;
  /** Width inside the MLP. */
  inner: number;
  /** Most positions of one sequence. */
  context: number;
  vocabulary: number;
  epsilon: number;
  eosId: number | null;
  /** Where config.json lists several (model/end.ts). */
  otherEosIds?: readonly number[];
  /** Per layer: how many positions back attention sees, itself included; 0 = all. */
  windows: number[];
  /** The output matrix is the token embedding. */
  tied: boolean;
}

/** A linear layer that LoRA can adapt: weight [outputs, inputs] at `${name}.weight`. */
export interface LinearLayer {
  name: string;
  inputs: number;
  outputs: number;
}

export interface AttentionCall {
  heads: number;
  window: number;
  scale: number;
}

/** How queries meet keys: over the whole sequence (training), or over a cache (generation). All [N, heads · headDim]. */
export type Attend = (
  layer: number,
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  call: AttentionCall,
) => tf.Tensor2D;

export interface Architecture {
  parseConfig(json: Record<string, unknown>, file: string): ModelConfig;
  /** Every parameter's Hugging Face name and shape. */
  parameters(config: ModelConfig): Map<string, number[]>;
  /** True for tensors that checkpoints may hold but that are no parameters (mask buffers). */
  ignored(name: string): boolean;
  /** Prefix that checkpoints saved without their head lack. */
  prefix: string;
  /** Name of the output matrix [V, C], tied or not. */
  head(config: ModelConfig): string;
  linears(config: ModelConfig): LinearLayer[];
  /** GPT-2's linear layers keep their weight as [inputs, outputs]; PEFT calls that fan_in_fan_out. */
  fanInFanOut?: true;
  /** ids [N] → hidden states after the final norm [N, C], or of `rows`. */
  forward(model: LanguageModel, input: ForwardInput): tf.Tensor2D;
}

export interface ForwardInput {
  adapter: Adapter | null;
  ids: tf.Tensor1D;
  /** [N], on the host: rotary angles are computed there. */
  positions: Int32Array;
  attend: Attend;
  /** Of the N, those whose hidden states are read, in this order, fewer than N; −1 for none. Absent: all. An architecture
   *  whose blocks know nothing of it may give all. */
  rows?: Int32Array;
  /** Seed of this pass's LoRA dropout; null = off. */
  dropout: number | null;
  /** DoRA's gains by layer, where many passes share them. */
  gains?: ReadonlyMap<string, tf.Tensor1D>;
}

/** Frozen base weights, shared by every adapter. */
export interface LanguageModel {
  name: string;
  architecture: Architecture;
  config: ModelConfig;
  weights: ReadonlyMap<string, tf.Tensor>;
  /** Weights of linear layers that are kept small, in place of those in `weights`. */
  packed?: ReadonlyMap<string, PackedMatrix>;
  /** Training keeps the input of each block alone and computes the rest twice. */
  gradientCheckpointing?: boolean;
  /** What adapters name as their base, where that is not `name`. */
  base?: string;
  /** Of the weights, as they were read. */
  fingerprint?: string;
  /** config.json and the tokenizer's files as they were read: what a trained model is written with. */
  files?: ReadonlyMap<string, Uint8Array>;
  /** Null when the directory has no tokenizer.json: rows then need ids. */
  tokenizer: Tokenizer | null;
  parameters: number;
}

/** Row-major [B, T]; mask is 0 at padding, which may be on either side, and 1 at real tokens; where several documents
 *  share a row (data/packing.ts), the number of each from 1. */
export interface TokenBatch {
  ids: Int32Array;
  mask: Int32Array;
  batch: number;
  length: number;
}

/** `completion` [B, T] is 1 at the tokens that are trained on or scored; never at a row's first real token. */
export interface CompletionBatch extends TokenBatch {
  completion: Int32Array;
}
