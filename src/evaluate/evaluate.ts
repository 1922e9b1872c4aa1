// Compares the checkpoints of a run on prompts kept apart from all training: completions with the same prompts and
// the same draws for every checkpoint, so that differences are paired. A yield is one batch of prompts at one
// checkpoint; the measures are taken from all samples at the end (measures.ts).

import { joined } from '../data/batches';
import { microBatches, perToken } from '../data/micro-batches';
import type { PromptExample } from '../data/examples';
import { hash32 } from '../engine/random';
import { generate } from '../model/generate';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import type { RewardFunction } from '../reward';
import type { EvaluateStage } from '../shared/experiment';
import type { SampleRow } from '../shared/protocol';
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
}

/** Completions sampled at once: wide, because a step of generation costs little more for more rows. */
const ROWS = 64;

/** The batches of an evaluation in their order: which candidate completes which prompts, each how often. Every one
 *  `samples` times; then the reference once more, as an opponent for the best of its first samples. */
export function evaluationBatches(
  { prompts, candidates, reference, reward }: EvaluationContext,
  samples: number,
) {
  const batches: { candidate: Candidate; checkpoint: string; from: number; to: number; draws: number[] }[] =
    [];
  const add = (candidate: Candidate, checkpoint: string, draws: number[]): void => {
    const size = Math.max(1, Math.floor(ROWS / draws.length));
    for (let from = 0; from < prompts.length; from += size) {
      batches.push({ candidate, checkpoint, from, to: Math.min(from + size, prompts.length), draws });
    }
  };
  for (const candidate of candidates)
    add(
      candidate,
      candidate.name,
      Array.from({ length: samples }, (_, k) => k),
    );
  const again = candidates.find(({ name }) => name === reference);
  if (reward && again) add(again, opponent(reference), [samples]);
  return batches;
}

/** The checkpoint name of the samples that best-of-n is compared with: n + 1st draws, chosen by nothing. */
export const opponent = (reference: string): string => `${reference}-opponent`;

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
        maxNewTokens: stage.max_new_tokens,
        minNewTokens: 0,
        temperature: stage.temperature,
        topK: 0,
        topP: 1,
        seed: hash32(seed, name),
        streams: rows.map(({ stream }) => stream),
      },
    );
    const sequences = rows.map(({ prompt }, i) => joined(prompt.ids, tokens[i]!));
    // Generation's log-probabilities are the training path's to 1e-4; the reference's must be computed anyway.
    const referenceLogprobs =
      candidate.name === reference
        ? null
        : await perToken(
            microBatches(sequences, model.config.context),
            (some) => completionLogprobs(model, referenceAdapter, some, { temperature: 1 }).logprobs,
          );
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
      finished: tokens[i]!.at(-1) === model.config.eosId,
      kl: referenceLogprobs ? sum(logprobs[i]!) - sum(referenceLogprobs[i]!) : 0,
      ...(rewards && { reward: rewards[i]! }),
      happy: judge(completions[i]!).happy,
    }));
  }
}

const sum = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((total, value) => total + value, 0);
