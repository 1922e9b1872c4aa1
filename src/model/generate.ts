// Samples completions: batched, with keys and values cached. Prompts are padded on the left so that every row meets
// its next token at the same slot. The draw of each token is decided by (seed, the row's stream, the token's place),
// never by what else is in the batch.

import { cachedAttention, cacheWrite } from '../engine/ops/cached-attention';
import { gatherRows } from '../engine/ops/gather-rows';
import { sample } from '../engine/ops/sample';
import { uniform } from '../engine/random';
import { tf } from '../engine/tf';
import { PlaygroundError } from '../shared/errors';
import { gains } from './dora';
import { logits, positions } from './forward';
import type { Adapter } from './lora';
import type { Attend, LanguageModel } from './types';

export interface SamplingOptions {
  maxNewTokens: number;
  /** EOS is not drawn before this many tokens. */
  minNewTokens: number;
  /** 0 = greedy, ties to the lowest id. */
  temperature: number;
  /** 0 = all. */
  topK: number;
  /** 1 = all. */
  topP: number;
  seed: number;
  /** One number a row that identifies its sample: the same (seed, stream) and prompt give the same completion. */
  streams: readonly number[];
  signal?: AbortSignal | undefined;
}

export interface Completions {
  /** New tokens of each row, with the EOS if one was produced. */
  tokens: number[][];
  /** Log-probability of each under the plain model: temperature 1, nothing truncated or forbidden. */
  logprobs: number[][];
}

/** Shapes seen by the device are kept few: cache slots and prompt lengths are rounded up to this. */
const SLOTS = 16;

/**
 * One completion for each prompt (token ids, at least one). Without an EOS in the model's config every row runs to
 * `maxNewTokens`. Throws `too-long` when a prompt and `maxNewTokens` do not fit the context.
 */
export async function generate(
  model: LanguageModel,
  adapter: Adapter | null,
  prompts: readonly number[][],
  options: SamplingOptions,
): Promise<Completions> {
  const { maxNewTokens, minNewTokens, temperature, topK, topP, seed, streams, signal } = options;
  const { eosId } = model.config;
  const tokens: number[][] = prompts.map(() => []);
  const logprobs: number[][] = prompts.map(() => []);
  checkLengths(model, prompts, maxNewTokens);
  signal?.throwIfAborted();
  if (prompts.length === 0 || maxNewTokens === 0) return { tokens, logprobs };

  const decoder = new Decoder(model, adapter, prompts, maxNewTokens);
  try {
    let next = decoder.prefill(); // [B, V]
    const done = prompts.map(() => false);
    for (let t = 0; ; t++) {
      const bannedId = eosId !== null && t < minNewTokens ? eosId : -1;
      const draws = Float32Array.from(prompts, (_, b) => uniform(seed, streams[b] ?? b, t));
      const current = next;
      const drawn = await sample(current, draws, { temperature, topK, topP, bannedId }).finally(() => {
        current.dispose();
      });
      drawn.ids.forEach((id, b) => {
        if (done[b]) return;
        tokens[b]?.push(id);
        logprobs[b]?.push(drawn.logprobs[b] ?? NaN);
        done[b] = id === eosId;
      });
      if (t + 1 === maxNewTokens || done.every(Boolean)) return { tokens, logprobs };
      signal?.throwIfAborted();
      next = decoder.step(drawn.ids); // [B, V]
    }
  } finally {
    decoder.dispose();
  }
}

function checkLengths(
  { name, config }: LanguageModel,
  prompts: readonly number[][],
  maxNewTokens: number,
): void {
  prompts.forEach((prompt, row) => {
    if (prompt.length === 0) {
      throw new PlaygroundError(
        'bad-data',
        `prompt ${row + 1} has no tokens`,
        'Begin it with at least one token, such as the end-of-text token.',
      );
    }
    if (prompt.length + maxNewTokens > config.context) {
      throw new PlaygroundError(
        'too-long',
        `prompt ${row + 1} has ${prompt.length} tokens; with ${maxNewTokens} new ones that is more than the context of ${name}, ${config.context}`,
        'Shorten the prompt or ask for fewer new tokens.',
      );
    }
  });
}

/** The keys and values of a batch, [B, S, C] for each layer, and where it stands. */
class Decoder {
  readonly #model: LanguageModel;
  readonly #adapter: Adapter | null;
  readonly #batch: number;
  readonly #prompts: readonly number[][];
  /** Slots of the (padded) prompts. */
  readonly #start: number;
  readonly #keys: tf.Variable[];
  readonly #values: tf.Variable[];
  readonly #gains: ReadonlyMap<string, tf.Tensor1D>;
  /** int32 [B, S]: 0 at the padding before each prompt. */
  readonly #mask: tf.Tensor2D;
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
    this.#prompts = prompts;
    this.#batch = prompts.length;
    this.#start = Math.min(Math.ceil(longest / SLOTS) * SLOTS, context - maxNewTokens);
    const slots = Math.min(Math.ceil((this.#start + maxNewTokens) / SLOTS) * SLOTS, context);
    const mask = new Int32Array(this.#batch * slots).fill(1);
    prompts.forEach(({ length }, b) => mask.fill(0, b * slots, b * slots + this.#start - length));
    this.#mask = tf.tensor2d(mask, [this.#batch, slots], 'int32');
    const empty = (): tf.Variable[] =>
      Array.from({ length: layers }, () =>
        tf.tidy(() => tf.variable(tf.zeros([this.#batch, slots, heads * headDim]), false)),
      );
    this.#keys = empty();
    this.#values = empty();
    this.#gains = gains(model, adapter);
  }

  /** Reads the prompts; the logits of each row's first new token, [B, V]. */
  prefill(): tf.Tensor2D {
    const [batch, length] = [this.#batch, this.#start];
    const ids = new Int32Array(batch * length);
    const mask = new Int32Array(batch * length);
    this.#prompts.forEach((prompt, b) => {
      const first = (b + 1) * length - prompt.length;
      ids.set(prompt, first);
      mask.fill(1, first, (b + 1) * length);
    });
    return this.#forward(ids, positions(mask, batch, length));
  }

  /** Reads one more token of each row; the logits of the next, [B, V]. */
  step(ids: Int32Array): tf.Tensor2D {
    const read = this.#slot - this.#start;
    return this.#forward(
      ids,
      Int32Array.from(this.#prompts, ({ length }) => length + read),
    );
  }

  #forward(ids: Int32Array, places: Int32Array): tf.Tensor2D {
    const batch = this.#batch;
    const t = ids.length / batch;
    const start = this.#slot;
    this.#slot += t;
    const attend: Attend = (layer, q, k, v, call) => {
      const [keys, values] = [this.#keys[layer] as tf.Variable, this.#values[layer] as tf.Variable]; // [B, S, C]
      cacheWrite(keys, k, start);
      cacheWrite(values, v, start);
      return cachedAttention(q, keys, values, this.#mask, { batch, start, ...call });
    };
    return tf.tidy(() => {
      const hidden = this.#model.architecture.forward(this.#model, {
        adapter: this.#adapter,
        ids: tf.tensor1d(ids, 'int32'),
        positions: places,
        attend,
        dropout: null,
        gains: this.#gains,
      }); // [B·t, C]
      const last = Int32Array.from({ length: batch }, (_, b) => (b + 1) * t - 1);
      const newest = t === 1 ? hidden : gatherRows(hidden, tf.tensor1d(last, 'int32')); // [B, C]
      return logits(this.#model, newest, this.#adapter); // [B, V]
    });
  }

  dispose(): void {
    tf.dispose([...this.#keys, ...this.#values, ...this.#gains.values(), this.#mask]);
  }
}
