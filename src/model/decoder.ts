// A forward pass over a growing batch of texts, with keys and values cached. Prompts are padded on the left so that every
// row meets its next token at the same slot; one that several rows share is read once and its cache copied, and so is
// what prompts that differ begin alike with.

import { cachedAttention, cacheWrite } from '../engine/ops/cached-attention';
import { gatherRows } from '../engine/ops/gather-rows';
import { tf } from '../engine/tf';
import { gains } from './dora';
import { logits, readRows, readTokens } from './forward';
import type { Adapter } from './lora';
import type { Attend, LanguageModel } from './types';

/** Shapes seen by the device are kept few: cache slots and prompt lengths are rounded up to this. */
const SLOTS = 16;

/** The keys and values of a batch, [B, S, C] for each layer, and where it stands. */
export class Decoder {
  readonly #model: LanguageModel;
  readonly #adapter: Adapter | null;
  /** Each once. */
  readonly #prompts: readonly number[][];
  /** The prompt that each row of the batch continues. */
  #rows: readonly number[];
  /** Slots of the (padded) prompts, and of all. */
  readonly #start: number;
  readonly #slots: number;
  #keys: tf.Variable[];
  #values: tf.Variable[];
  readonly #gains: ReadonlyMap<string, tf.Tensor1D>;
  /** int32 [B, S]: 0 at the padding before each prompt. */
  #mask: tf.Tensor2D;
  /** Next slot to write. */
  #slot = 0;

  constructor(
    model: LanguageModel,
    adapter: Adapter | null,
    prompts: readonly number[][],
    maxNewTokens: number,
  ) {
    const { context, layers, heads, headDim } = model.config;
    const longest = Math.max(...prompts.map(({ length }) => length));
    this.#model = model;
    this.#adapter = adapter;
    const texts = prompts.map((prompt) => prompt.join());
    const unique = [...new Set(texts)];
    this.#prompts = unique.map((text) => prompts[texts.indexOf(text)]!);
    this.#rows = texts.map((text) => unique.indexOf(text));
    this.#start = Math.min(Math.ceil(longest / SLOTS) * SLOTS, context - maxNewTokens);
    this.#slots = Math.min(Math.ceil((this.#start + maxNewTokens) / SLOTS) * SLOTS, context);
    this.#mask = this.#visible(this.#prompts);
    const shape = [unique.length, this.#slots, heads * headDim];
    const empty = (): tf.Variable[] =>
      Array.from({ length: layers }, () => tf.tidy(() => tf.variable(tf.zeros(shape), false)));
    this.#keys = empty();
    this.#values = empty();
    this.#gains = gains(model, adapter);
  }

  /** Reads the prompts; the logits of each row's first new token, [B, V]. */
  prefill(): tf.Tensor2D {
    const [batch, length] = [this.#prompts.length, this.#start];
    const ids = new Int32Array(batch * length);
    const mask = new Int32Array(batch * length);
    this.#prompts.forEach((prompt, b) => {
      const first = (b + 1) * length - prompt.length;
      ids.set(prompt, first);
      mask.fill(1, first, (b + 1) * length);
    });
    const read = tf.tidy(() => {
      const last = Int32Array.from({ length: batch }, (_, b) => (b + 1) * length - 1);
      const prompts = { ids, mask, batch, length };
      const newest = readTokens(this.#model, prompts, last, this.#pass(), (...kept) => this.#write(...kept)); // [U, C]
      return logits(this.#model, newest, this.#adapter); // [U, V]
    });
    this.#slot = length;
    if (batch === this.#rows.length) return read;
    this.#spread(this.#rows);
    const spread = tf.tidy(() => gatherRows(read, tf.tensor1d([...this.#rows], 'int32'))); // [B, V]
    read.dispose();
    return spread;
  }

  /** Goes on with some rows of the batch, in this order. */
  take(rows: readonly number[]): void {
    this.#rows = rows.map((row) => this.#rows[row]!);
    this.#spread(rows);
  }

  /** Row i of the caches becomes what row `from[i]` was. */
  #spread(from: readonly number[]): void {
    this.#mask.dispose();
    this.#mask = this.#visible(this.#rows.map((row) => this.#prompts[row]!));
    const moved = (cache: tf.Variable): tf.Variable => {
      const [batch = 0, slots = 0, width = 0] = cache.shape;
      const next = tf.tidy(() => {
        const rows = gatherRows(tf.reshape(cache, [batch, slots * width]), tf.tensor1d([...from], 'int32'));
        return tf.variable(tf.reshape(rows, [from.length, slots, width]), false);
      });
      cache.dispose(); // one cache at a time, so that all are never there twice
      return next;
    };
    this.#keys = this.#keys.map(moved);
    this.#values = this.#values.map(moved);
  }

  #visible(prompts: readonly number[][]): tf.Tensor2D {
    const slots = this.#slots;
    const mask = new Int32Array(prompts.length * slots).fill(1);
    prompts.forEach(({ length }, b) => mask.fill(0, b * slots, b * slots + this.#start - length));
    return tf.tensor2d(mask, [prompts.length, slots], 'int32');
  }

  /** Reads one more token of each row, ids int32 [B]; the logits of the next, [B, V]. */
  step(ids: tf.Tensor1D): tf.Tensor2D {
    const read = this.#slot - this.#start;
    const places = Int32Array.from(this.#rows, (row) => this.#prompts[row]!.length + read);
    const slot = this.#slot++;
    const attend: Attend = (layer, q, k, v, call) => {
      const [keys, values] = this.#write(layer, k, v, slot);
      return cachedAttention(q, keys, values, this.#mask, { slot, ...call });
    };
    return tf.tidy(() => {
      const newest = readRows(this.#model, undefined, { ...this.#pass(), attend, ids, positions: places }); // [B, C]
      return logits(this.#model, newest, this.#adapter); // [B, V]
    });
  }

  #pass() {
    return { adapter: this.#adapter, dropout: null, gains: this.#gains };
  }

  /** Puts keys and values [B·t, H·D] of a layer into its caches [B, S, H·D], from `slot` on. */
  #write(layer: number, k: tf.Tensor2D, v: tf.Tensor2D, slot = 0): [tf.Variable, tf.Variable] {
    const [keys, values] = [this.#keys[layer] as tf.Variable, this.#values[layer] as tf.Variable];
    cacheWrite(keys, k, slot);
    cacheWrite(values, v, slot);
    return [keys, values];
  }

  dispose(): void {
    tf.dispose([...this.#keys, ...this.#values, ...this.#gains.values(), this.#mask]);
  }
}
