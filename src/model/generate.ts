// Samples completions, as a batch that is made smaller as soon as a quarter of its rows have ended. The draw of each token
// is decided by (seed, the row's stream, the token's place), never by what else is in the batch. On a GPU a token is known
// here a few steps after it was drawn, and the steps past the last one that is wanted are for nothing.

import { download, downloadsUnderWay } from '../engine/download';
import { sample } from '../engine/ops/sample';
import { uniform } from '../engine/random';
import { tf } from '../engine/tf';
import { PlaygroundError } from '../shared/errors';
import { rowsAtOnce } from '../shared/memory-formula';
import { Decoder } from './decoder';
import { endsOf } from './end';
import type { Adapter } from './lora';
import type { LanguageModel } from './types';

export interface SamplingOptions {
  maxNewTokens: number;
  /** No end token is drawn before this many tokens. */
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
  const { maxNewTokens, minNewTokens, temperature, topK, topP, signal } = options;
  const ends = endsOf(model.config);
  const tokens: number[][] = prompts.map(() => []);
  const logprobs: number[][] = prompts.map(() => []);
  checkLengths(model, prompts, maxNewTokens);
  signal?.throwIfAborted();
  if (prompts.length === 0 || maxNewTokens === 0) return { tokens, logprobs };
  const longest = Math.max(...prompts.map(({ length }) => length));
  const most = rowsAtOnce(model.config, { slots: longest + maxNewTokens, prompt: longest });
  if (prompts.length > most) return inParts(model, adapter, prompts, options, most);

  const decoder = new Decoder(model, adapter, prompts, maxNewTokens);
  const lag = downloadsUnderWay();
  const underWay: { rows: number[]; drawn: Promise<[Int32Array, Float32Array]> }[] = [];
  let rows = prompts.map((_, b) => b); // the completion that each row of the batch writes
  let draws = drawsOf(rows, 0, options); // [(maxNewTokens − start) · B]
  let start = 0; // the token that `draws` begin with
  const done = prompts.map(() => false);
  let next: tf.Tensor2D | undefined; // [B, V]
  let ids: tf.Tensor1D | undefined; // [B]
  try {
    next = decoder.prefill();
    for (let t = 0; ; t++) {
      const [bannedId = -1, ...alsoBanned] = t < minNewTokens ? ends : [];
      const settings = { temperature, topK, topP, bannedId, alsoBanned };
      const told = sample(next, draws, settings, (t - start) * rows.length); // [B] each
      ids = told.ids;
      const drawn = Promise.all([download<Int32Array>(ids), download(told.logprobs)]);
      drawn.catch(() => undefined); // an earlier one may fail first, and is then what the caller hears of
      underWay.push({ rows, drawn });
      tf.dispose([next, told.logprobs]);
      const last = t + 1 === maxNewTokens;
      while (underWay.length > (last ? 0 : lag)) {
        const { rows: written, drawn: oldest } = underWay.shift()!;
        const [newIds, newLogprobs] = await oldest;
        written.forEach((b, i) => {
          if (done[b]) return;
          tokens[b]!.push(newIds[i]!);
          logprobs[b]!.push(newLogprobs[i]!);
          done[b] = ends.includes(newIds[i]!);
        });
      }
      if (last || done.every(Boolean)) return { tokens, logprobs };
      signal?.throwIfAborted();
      const kept = remaining(rows.map((b) => done[b]!));
      if (kept.length < rows.length) {
        decoder.take(kept);
        rows = kept.map((i) => rows[i]!);
        ids = tf.tidy(() => tf.gather(told.ids, tf.tensor1d(kept, 'int32')));
        tf.dispose([told.ids, draws]);
        [draws, start] = [drawsOf(rows, t + 1, options), t + 1];
      }
      next = decoder.step(ids);
      ids.dispose();
    }
  } finally {
    tf.dispose([next, ids, draws]);
    decoder.dispose();
  }
}

/** The same, `most` rows at a time, where there is no memory for all of them at once. */
async function inParts(
  model: LanguageModel,
  adapter: Adapter | null,
  prompts: readonly number[][],
  options: SamplingOptions,
  most: number,
): Promise<Completions> {
  const all: Completions = { tokens: [], logprobs: [] };
  for (let from = 0; from < prompts.length; from += most) {
    const part = prompts.slice(from, from + most);
    const streams = part.map((_, i) => options.streams[from + i] ?? from + i);
    const { tokens, logprobs } = await generate(model, adapter, part, { ...options, streams });
    all.tokens.push(...tokens);
    all.logprobs.push(...logprobs);
  }
  return all;
}

/** What decides the tokens from `start` on, row after row for each of them. */
function drawsOf(
  rows: readonly number[],
  start: number,
  { seed, streams, maxNewTokens }: SamplingOptions,
): tf.Tensor1D {
  const width = rows.length;
  const draws = Float32Array.from({ length: width * (maxNewTokens - start) }, (_, i) => {
    const b = rows[i % width]!;
    return uniform(seed, streams[b] ?? b, start + Math.floor(i / width));
  });
  return tf.tensor1d(draws);
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

/** Rows are dropped down to multiples of this, as long as there are more: the device sees few shapes. */
const EIGHT = 8;

/** The rows to go on with: all, or those that have not ended, once that is a quarter less. */
function remaining(ended: readonly boolean[]): number[] {
  const all = [...ended.keys()];
  const going = all.filter((i) => !ended[i]);
  const wanted = all.length > EIGHT ? Math.ceil(going.length / EIGHT) * EIGHT : going.length;
  return wanted > (3 / 4) * all.length ? all : [...going, ...all.filter((i) => ended[i])].slice(0, wanted);
}
