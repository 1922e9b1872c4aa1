// Samples completions, as a batch that is halved as soon as half of its rows have ended. The draw of each token is
// decided by (seed, the row's stream, the token's place), never by what else is in the batch.

import { sample } from '../engine/ops/sample';
import { uniform } from '../engine/random';
import { PlaygroundError } from '../shared/errors';
import { Decoder } from './decoder';
import type { Adapter } from './lora';
import type { LanguageModel } from './types';

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
    let rows = prompts.map((_, b) => b); // the completion that each row of the batch writes
    const done = prompts.map(() => false);
    for (let t = 0; ; t++) {
      const bannedId = eosId !== null && t < minNewTokens ? eosId : -1;
      const draws = Float32Array.from(rows, (b) => uniform(seed, streams[b] ?? b, t));
      const current = next;
      const drawn = await sample(current, draws, { temperature, topK, topP, bannedId }).finally(() => {
        current.dispose();
      });
      let { ids } = drawn;
      rows.forEach((b, i) => {
        if (done[b]) return;
        tokens[b]!.push(ids[i]!);
        logprobs[b]!.push(drawn.logprobs[i]!);
        done[b] = ids[i] === eosId;
      });
      if (t + 1 === maxNewTokens || done.every(Boolean)) return { tokens, logprobs };
      signal?.throwIfAborted();
      const kept = halved(rows.map((b) => done[b]!));
      if (kept.length < rows.length) {
        decoder.take(kept);
        rows = kept.map((i) => rows[i]!);
        ids = Int32Array.from(kept, (i) => drawn.ids[i]!);
      }
      next = decoder.step(ids); // [B, V]
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

/** The rows to go on with: all, or the half with all that have not ended. Only halves, so that the device sees few shapes. */
function halved(ended: readonly boolean[]): number[] {
  const all = [...ended.keys()];
  const half = Math.ceil(all.length / 2);
  const going = all.filter((i) => !ended[i]);
  return going.length > half ? all : [...going, ...all.filter((i) => ended[i])].slice(0, half);
}
