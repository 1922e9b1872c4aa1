// The numbers behind single tokens, for a person to read: those PPO has of a completion, and of a few completions of a
// batch what the update that has just learnt from them made of each token.

import { microBatches, perToken } from '../data/micro-batches';
import { completionLogprobs } from '../model/logprobs';
import type { Tokenizer } from '../model/types';
import type { Scorable } from '../reward';
import type { PpoStage } from '../shared/experiment';
import type { TokenColumns } from '../shared/protocol';
import type { Assessment, Experience } from './ppo';
import type { StageContext, TokenNumbers, TrainState } from './state';

/** Completions of a batch that are written down. */
const ROWS = 2;

/** Of completions as they are before learning: advantages are not whitened, and a score that stands one past the last
 *  token is shown at it. `bias` is the values' constant. */
export function numbersOf(
  { oldLogprobs, refLogprobs, oldValues, rewards, advantages }: Assessment,
  bias: number,
): TokenNumbers[] {
  return oldLogprobs.map((row, i) => {
    const { length } = row;
    const shown = Array.from(rewards[i]!.subarray(0, length));
    if (rewards[i]!.length > length && length > 0) shown[length - 1]! += rewards[i]![length]!;
    return {
      logprob: Array.from(row),
      ref_logprob: Array.from(refLogprobs[i]!),
      reward: shown,
      value: Array.from(oldValues[i]!.subarray(0, length), (value) => value + bias),
      advantage: Array.from(advantages[i]!.subarray(0, length)),
    };
  });
}

/** The first completions of a batch, after the update: their log-probabilities are taken by the path that training
 *  takes, so that new minus old is the logarithm of the ratio that the clip acts on. */
export async function tellUpdate(
  { model, name, onSample }: StageContext,
  { temperature }: PpoStage,
  { step, adapters, scalars }: TrainState,
  experience: Experience,
): Promise<void> {
  const { tokenizer, config } = model;
  if (!tokenizer) return;
  const { episodes, sequences, whitened } = experience;
  const rows = microBatches(sequences.slice(0, ROWS), config.context);
  const policy = adapters['policy']!;
  const now = await perToken(
    rows,
    (batch) => completionLogprobs(model, policy, batch, { temperature }).logprobs,
  );
  const numbers = numbersOf(experience, scalars['value_bias']!);
  now.forEach((row, i) => {
    const of = { ...numbers[i]!, whitened: Array.from(whitened[i]!), new_logprob: Array.from(row) };
    onSample({
      checkpoint: `${name}@${step}`,
      seed: (step - 1) * episodes.length + i,
      ...shown(tokenizer, episodes[i]!, of),
    });
  });
}

/** A completion as text, whole and token by token, with the numbers of each. */
export function shown(
  tokenizer: Tokenizer,
  { prompt, tokens: token_ids }: Scorable,
  numbers: TokenNumbers,
): { prompt: string; completion: string; token_ids: number[]; tokens: TokenColumns } {
  const text = token_ids.map((id) => tokenizer.textOf(id));
  const completion = tokenizer.decode(token_ids, { skipSpecial: true });
  return { prompt, completion, token_ids: [...token_ids], tokens: { text, ...rounded(numbers) } };
}

/** Four decimals: what a person reads, at a third of the size. */
function rounded(numbers: TokenNumbers): TokenNumbers {
  const entries = Object.entries(numbers) as [keyof TokenNumbers, number[]][];
  return Object.fromEntries(
    entries.map(([key, column]) => [key, column.map((value) => Math.round(value * 1e4) / 1e4)]),
  ) as unknown as TokenNumbers;
}
