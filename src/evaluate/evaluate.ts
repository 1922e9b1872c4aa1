// Compares the checkpoints of a run on prompts kept apart from all training: completions with the same prompts and
// the same draws for every checkpoint, so that differences are paired. A yield is one batch of prompts at one
// checkpoint; the measures are taken from all samples at the end (measures.ts).

import { joined } from '../data/batches';
import { microBatches, perToken } from '../data/micro-batches';
import type { PromptExample } from '../data/examples';
import { hash32 } from '../engine/random';
import { isEnd } from '../model/end';
import { generate } from '../model/generate';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import type { RewardFunction } from '../reward';
import { WRITTEN } from '../shared/memory-formula';
import type { EvaluateStage } from '../shared/experiment';
import type { SampleRow } from '../shared/protocol';
import { pureSampling } from '../shared/sampling';
import { judge } from './judge';

/** A completion of an evaluation prompt, a row of samples.jsonl. */
export interface EvaluatedSample extends SampleRow {
  finished: boolean;
  /** Sum over its tokens of log-probability minus the reference's, in nats; their mean estimates the KL. */
  kl: number;
  /** The reward model's score, where there is a reward model. */
  reward?: number;
}

export interface Candidate {
  name: string;
  /** Null: the bare model. */
  adapter: Adapter | null;
}

export interface EvaluationContext {
  model: LanguageModel;
  name: string;
  seed: number;
  prompts: readonly PromptExample[];
  candidates: readonly Candidate[];
  /** One of the candidates: what KL is measured from and wins are counted against. */
  reference: string;
  reward: RewardFunction | null;
  /** The candidate that is to write so much that something can be estimated from it; null where nothing can. */
  studied: string | null;
}

/** Completions of each prompt that an optimum, or a share of good ones, is estimated from. */
export const OPTIMUM_DRAWS = 16;

/** The batches of an evaluation in their order: which candidate completes which prompts, each how often. Every one
 *  `samples` times; then the reference more often, as an opponent for the best of its first samples, and whoever
 *  something is estimated from. */
export function evaluationBatches(
  { prompts, candidates, reference, reward, studied }: EvaluationContext,
  samples: number,
) {
  const batches: { candidate: Candidate; checkpoint: string; from: number; to: number; draws: number[] }[] =
    [];
  const add = (candidate: Candidate, checkpoint: string, first: number, last: number): void => {
    const draws = Array.from({ length: last - first }, (_, k) => first + k);
    const size = Math.max(1, Math.floor(WRITTEN / draws.length));
    for (let from = 0; from < prompts.length; from += size) {
      batches.push({ candidate, checkpoint, from, to: Math.min(from + size, prompts.length), draws });
    }
  };
  for (const candidate of candidates) add(candidate, candidate.name, 0, samples);
  for (const candidate of candidates) {
    const { name } = candidate;
    const against = name === reference && reward ? samples + 1 : samples;
    const last = Math.max(against, name === studied ? OPTIMUM_DRAWS : 0);
    if (last > samples) add(candidate, opponent(name), samples, last);
  }
  return batches;
}

/** The checkpoint name of further samples, chosen by nothing: what best-of-n is compared with, and estimates are
 *  made from. */
export const opponent = (candidate: string): string => `${candidate}-opponent`;

/** Runs the batches from `first` on; yields each one's samples, prompts in order, draws inside. */
export async function* evaluate(
  context: EvaluationContext,
  stage: EvaluateStage,
  first: number,
): AsyncGenerator<EvaluatedSample[]> {
  const { model, name, seed, prompts, candidates, reference, reward } = context;
  const referenceAdapter = candidates.find((candidate) => candidate.name === reference)?.adapter ?? null;
  for (const batch of evaluationBatches(context, stage.samples_per_prompt).slice(first)) {
    const { candidate, checkpoint, draws } = batch;
    const rows = prompts
      .slice(batch.from, batch.to)
      .flatMap((prompt, p) => draws.map((draw) => ({ prompt, stream: hash32(batch.from + p, draw) })));
    const { tokens, logprobs } = await generate(
      model,
      candidate.adapter,
      rows.map(({ prompt }) => prompt.ids),
      {
        ...pureSampling({
          maxNewTokens: stage.max_new_tokens,
          temperature: stage.temperature,
          seed: hash32(seed, name),
        }),
        streams: rows.map(({ stream }) => stream),
      },
    );
    const sequences = rows.map(({ prompt }, i) => joined(prompt.ids, tokens[i]!));
    const { temperature } = stage;
    const under = (adapter: Adapter | null): Promise<Float32Array[]> =>
      perToken(
        microBatches(sequences, model.config.context),
        (some) => completionLogprobs(model, adapter, some, { temperature }).logprobs,
      );
    // Both of the very distribution that is sampled. Generation tells its log-probabilities at temperature 1, which are
    // the training path's to 1e-4; the reference's must be computed anyway.
    const kl = async (): Promise<number[]> => {
      const own = temperature === 1 ? logprobs : await under(candidate.adapter);
      const others = await under(referenceAdapter);
      return own.map((row, i) => sum(row) - sum(others[i]!));
    };
    const nats = candidate.name === reference ? rows.map(() => 0) : await kl();
    const scorable = rows.map(({ prompt }, i) => ({
      prompt: prompt.text,
      promptIds: prompt.ids,
      tokens: tokens[i]!,
    }));
    const rewards = await reward?.(scorable);
    const completions = tokens.map((ids) => model.tokenizer?.decode(ids, { skipSpecial: true }) ?? '');
    yield rows.map(({ prompt, stream }, i) => ({
      checkpoint,
      prompt: prompt.text,
      completion: completions[i]!,
      token_ids: tokens[i]!,
      seed: stream,
      finished: isEnd(model.config, tokens[i]!.at(-1)),
      kl: nats[i]!,
      ...(rewards && { reward: rewards[i]! }),
      happy: judge(completions[i]!).happy,
    }));
  }
}

const sum = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((total, value) => total + value, 0);
