// What the methods that learn from their own samples share: completions of a policy, their log-probabilities by the
// path that training takes, a score for each, and the figures that are logged of them under TRL's names.

import { batchIndices, joined, type Sequence } from '../data/batches';
import { microBatches, perToken } from '../data/micro-batches';
import { hash32 } from '../engine/random';
import { generate } from '../model/generate';
import type { Adapter } from '../model/lora';
import { completionLogprobs } from '../model/logprobs';
import type { RewardFunction, Scorable } from '../reward';
import { deviation, mean, type StageContext, sum } from './state';

export interface SamplingContext extends StageContext {
  prompts: readonly { text: string; ids: number[] }[];
  /** The policy as it was before this stage, frozen. */
  reference: Adapter;
  reward: RewardFunction;
}

/** Prompts in a new order each time round, and `group` completions of `policy` for each, side by side: `count` in all. */
export async function sampleEpisodes(
  { model, name, seed, prompts }: SamplingContext,
  policy: Adapter,
  step: number,
  options: { count: number; group: number; newTokens: number; temperature: number },
): Promise<Scorable[]> {
  const { count, group, newTokens, temperature } = options;
  const drawn = batchIndices(prompts.length, count / group, step, seed, name);
  const queries = Array.from({ length: count }, (_, i) => prompts[drawn[Math.floor(i / group)]!]!);
  const sampled = await generate(
    model,
    policy,
    queries.map(({ ids }) => ids),
    {
      maxNewTokens: newTokens,
      minNewTokens: 0,
      temperature,
      topK: 0,
      topP: 1,
      seed: hash32(seed, name, 'rollout'),
      streams: queries.map((_, i) => step * count + i),
    },
  );
  return queries.map(({ text, ids }, i) => ({ prompt: text, promptIds: ids, tokens: sampled.tokens[i]! }));
}

/** Completions with what every method asks about them; rows are ragged, a number for each completion token. */
export interface Assessed {
  /** Prompt and completion. */
  sequences: Sequence[];
  finished: boolean[];
  oldLogprobs: Float32Array[];
  refLogprobs: Float32Array[];
  /** The reward, after what a completion that did not finish pays. */
  scores: number[];
}

export async function assessEpisodes(
  { model, reference, reward }: SamplingContext,
  policy: Adapter,
  episodes: readonly Scorable[],
  settings: {
    temperature: number;
    missing_eos_penalty: number | null;
    missing_eos_trick?: 'subtract' | 'replace';
  },
): Promise<Assessed> {
  const { temperature, missing_eos_penalty: penalty, missing_eos_trick: trick } = settings;
  const finished = episodes.map(({ tokens }) => tokens.at(-1) === model.config.eosId);
  const sequences = episodes.map(({ promptIds, tokens }) => joined(promptIds, tokens));
  const batches = microBatches(sequences, model.config.context);
  const logprobsUnder = (adapter: Adapter): Promise<Float32Array[]> =>
    perToken(batches, (batch) => completionLogprobs(model, adapter, batch, { temperature }).logprobs);
  const oldLogprobs = await logprobsUnder(policy);
  const refLogprobs = await logprobsUnder(reference);
  const scores = (await reward(episodes)).map((score, i) => {
    if (finished[i] || penalty === null) return score;
    // What Ziegler et al. 2019 call rejection: the score itself is fixed, whatever the reward thinks.
    return trick === 'replace' ? -penalty : score - penalty;
  });
  return { sequences, finished, oldLogprobs, refLogprobs, scores };
}

/** How far each completion's log-probability lies from the reference's, in nats: k1, whose mean is the KL. */
export const sequenceKl = ({ oldLogprobs, refLogprobs }: Assessed): number[] =>
  oldLogprobs.map((row, i) => sum(row) - sum(refLogprobs[i]!));

/** The rows of each group of completions of one prompt. */
export function groupsOf<T>(values: readonly T[], group: number): T[][] {
  return Array.from({ length: values.length / group }, (_, g) => values.slice(g * group, (g + 1) * group));
}

/** TRL's figures of a batch that the policy wrote, at a price of `beta` a nat. */
export function sampleFigures(assessed: Assessed, beta: number): Record<string, number> {
  const kl = mean(sequenceKl(assessed));
  return {
    'objective/kl': kl,
    'objective/entropy': mean(assessed.oldLogprobs.map((row) => -sum(row))),
    'objective/non_score_reward': -beta * kl,
    'objective/rlhf_reward': mean(assessed.scores) - beta * kl,
    ...scoreFigures(assessed),
  };
}

/** The figures of a batch, whoever wrote it. */
export function scoreFigures({ sequences, finished, scores }: Assessed): Record<string, number> {
  return {
    'objective/scores': mean(scores),
    'objective/scores_std': deviation(scores),
    finish_rate: mean(finished.map(Number)),
    mean_length: mean(sequences.map(({ ids, promptLength }) => ids.length - promptLength)),
  };
}

/** How much the completions of one prompt differ in score: where they do not, a group teaches nothing. */
export function groupFigures(scores: readonly number[], group: number): Record<string, number> {
  const spreads = groupsOf(scores, group).map(deviation);
  return {
    reward_std: mean(spreads),
    frac_reward_zero_std: mean(spreads.map((spread) => Number(spread < 1e-8))),
  };
}
