// `score` and `generate` of the command line: JSONL in, the same rows with the model's numbers added out. Rows go
// through the model in batches of similar length, and come back in the order and with the fields they came with.

import { encodeCompletions, encodePrompts } from '../data/examples';
import { chunks, microBatches, perToken } from '../data/micro-batches';
import { parseRows } from '../data/records';
import { withFields } from '../data/splice';
import { hash32 } from '../engine/random';
import { generate } from '../model/generate';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import type { GenerateOptions } from '../shared/protocol';

/**
 * Adds `token_ids` (the completion's), `logprobs` (one each, of the plain model) and `sum` to rows of a prompt and a
 * completion. `source` names the data in messages. Throws `bad-data` and `too-long` by line.
 */
export async function scoreRows(
  model: LanguageModel,
  adapter: Adapter | null,
  text: string,
  source: string,
): Promise<string> {
  const rows = parseRows(text, source, 'prompt-completion');
  const { examples } = encodeCompletions(rows, source, model, { eos: false, truncate: false });
  const batches = microBatches(examples, model.config.context);
  const logprobs = await perToken(
    batches,
    (batch) => completionLogprobs(model, adapter, batch, { temperature: 1 }).logprobs,
  );
  return jsonl(rows, (i) => {
    const { ids, promptLength } = examples[i]!;
    const values = Array.from(logprobs[i]!);
    return {
      token_ids: ids.slice(promptLength),
      logprobs: values,
      sum: values.reduce((sum, value) => sum + value, 0),
    };
  });
}

/** Room for the keys and values of one batch, against the size of a training batch. */
const GENERATION_WIDTH = 1 / 4;

/**
 * Adds `token_ids` and `logprobs` (n lists each) and, where the model has a tokenizer, `completions` (n texts) to rows
 * of a prompt. Sample j of row i depends on (seed, i, j) and the prompt only.
 */
export async function generateRows(
  model: LanguageModel,
  adapter: Adapter | null,
  text: string,
  source: string,
  n: number,
  { signal, ...options }: GenerateOptions & { signal?: AbortSignal },
): Promise<string> {
  const rows = parseRows(text, source, 'prompt-only');
  const prompts = encodePrompts(rows, source, model, options.maxNewTokens);
  const samples = rows.flatMap((_, row) => Array.from({ length: n }, (__, j) => ({ row, j })));
  const token_ids: number[][] = [];
  const logprobs: number[][] = [];
  const lengthOf = (s: number): number => prompts[samples[s]!.row]!.ids.length + options.maxNewTokens;
  for (const some of chunks(samples.keys(), lengthOf, model.config.context, { width: GENERATION_WIDTH })) {
    const drawn = await generate(
      model,
      adapter,
      some.map((s) => prompts[samples[s]!.row]!.ids),
      { ...options, signal, streams: some.map((s) => hash32(samples[s]!.row, samples[s]!.j)) },
    );
    some.forEach((s, b) => {
      token_ids[s] = drawn.tokens[b]!;
      logprobs[s] = drawn.logprobs[b]!;
    });
  }
  const { tokenizer } = model;
  return jsonl(rows, (i) => {
    const mine = token_ids.slice(i * n, (i + 1) * n);
    return {
      ...(tokenizer && { completions: mine.map((ids) => tokenizer.decode(ids, { skipSpecial: true })) }),
      token_ids: mine,
      logprobs: logprobs.slice(i * n, (i + 1) * n),
    };
  });
}

function jsonl(
  rows: readonly { fields: object; written?: string }[],
  added: (row: number) => Record<string, unknown>,
): string {
  return rows
    .map(({ fields, written = JSON.stringify(fields) }, i) => `${withFields(written, added(i))}\n`)
    .join('');
}
