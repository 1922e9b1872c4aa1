// What the methods that learn from their own samples share: completions of a policy, their log-probabilities by the
// path that training takes, a score for each, and the figures that are logged of them under TRL's names.

import { batchIndices, joined, type Sequence } from '../data/batches';
import { microBatches, perToken } from '../data/micro-batches';
import { hash32 } from '../engine/random';
import { isEnd } from '../model/end';
import { generate } from '../model/generate';
import type { Adapter } from '../model/lora';
import { completionLogprobs } from '../model/logprobs';
import type { RewardFunction, Scorable } from '../reward';
import type { RewardSource } from '../shared/experiment';
import { pureSampling } from '../shared/sampling';
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
      ...pureSampling({ maxNewTokens: newTokens, temperature, seed: hash32(seed, name, 'rollout') }),
      streams: queries.map((_, i) => step * count + i),
    },
  );
  return queries.map(({ text, ids }, i) => ({ prompt: text, promptIds: ids, tokens: sampled.tokens[i]! }));
}

/** Completions, and what the reward makes of them. */
export interface Scored {
  /** Prompt and completion. */
  sequences: Sequence[];
  finished: boolean[];
  /** The reward itself. */
  raw: number[];
  /** The reward, after what a completion that did not finish pays. */
  scores: number[];
}

/** The same with what most methods ask about them; rows are ragged, a number for each completion token. */
export interface Assessed extends Scored {
  oldLogprobs: Float32Array[];
  refLogprobs: Float32Array[];
}

interface ScoreSettings {
  missing_eos_penalty: number | null;
  missing_eos_trick?: 'subtract' | 'replace';
}

export async function scoreEpisodes(
  { model, reward }: SamplingContext,
  episodes: readonly Scorable[],
  { missing_eos_penalty: penalty, missing_eos_trick: trick }: ScoreSettings,
): Promise<Scored> {
  const finished = episodes.map(({ tokens }) => isEnd(model.config, tokens.at(-1)));
  const sequences = episodes.map(({ promptIds, tokens }) => joined(promptIds, tokens));
  const raw = await reward(episodes);
  const scores = raw.map((score, i) => {
    if (finished[i] || penalty === null) return score;
    // What Ziegler et al. 2019 call rejection: the score itself is fixed, whatever the reward thinks.
    return trick === 'replace' ? -penalty : score - penalty;
  });
  return { sequences, finished, raw, scores };
}

export async function assessEpisodes(
  context: SamplingContext,
  policy: Adapter,
  episodes: readonly Scorable[],
  settings: ScoreSettings & { temperature: number; per_device_train_batch_size: number },
): Promise<Assessed> {
  const { model, reference } = context;
  const { temperature, per_device_train_batch_size: most } = settings;
  const scored = await scoreEpisodes(context, episodes, settings);
  // In the very micro-batches that are learnt from, so that the same weights come to the same numbers.
  const batches = microBatches(scored.sequences, model.config.context, scored.sequences.keys(), most);
  const logprobsUnder = (adapter: Adapter): Promise<Float32Array[]> =>
    perToken(batches, (batch) => completionLogprobs(model, adapter, batch, { temperature }).logprobs);
  const oldLogprobs = await logprobsUnder(policy);
  return { ...scored, oldLogprobs, refLogprobs: await logprobsUnder(reference) };
}

/** How far each completion's log-probability lies from the reference's, in nats: k1, whose mean is the KL. */
export const sequenceKl = ({ oldLogprobs, refLogprobs }: Assessed): number[] =>
  oldLogprobs.map((row, i) => sum(row) - sum(refLogprobs[i]!));

/** The rows of each group of completions of one prompt. */
export function groupsOf<T>(values: readonly T[], group: number): T[][] {
  return Array.from({ length: values.length / group }, (_, g) => values.slice(g * group, (g + 1) * group));
}

/** Of completions that the policy wrote: the log-probability of each, and how far that lies from the reference's. */
interface Moved {
  logps: readonly number[];
  kl: readonly number[];
}

const moved = (assessed: Assessed): Moved => ({
  logps: assessed.oldLogprobs.map(sum),
  kl: sequenceKl(assessed),
});

/** TRL's figures of a batch that the policy wrote, at a price of `beta` a nat. */
export function objectiveFigures(scored: Scored, { logps, kl }: Moved, beta: number): Record<string, number> {
  const nats = mean(kl);
  return {
    'objective/kl': nats,
    'objective/entropy': -mean(logps),
    'objective/non_score_reward': -beta * nats,
    'objective/rlhf_reward': mean(scored.scores) - beta * nats,
    ...scoreFigures(scored),
  };
}

export const sampleFigures = (assessed: Assessed, beta: number): Record<string, number> =>
  objectiveFigures(assessed, moved(assessed), beta);

/** The same where KL has no price. */
export function movedFigures(assessed: Assessed): Record<string, number> {
  const { logps, kl } = moved(assessed);
  return { 'objective/kl': mean(kl), 'objective/entropy': -mean(logps) };
}

/** The figures of a batch, whoever wrote it. */
export function scoreFigures({ sequences, finished, scores }: Scored): Record<string, number> {
  return {
    'objective/scores': mean(scores),
    'objective/scores_std': deviation(scores),
    finish_rate: mean(finished.map(Number)),
    mean_length: mean(sequences.map(completionLength)),
  };
}

/** In how many groups all completions score the same: there a group teaches nothing. */
export const groupFigures = (scores: readonly number[], group: number): Record<string, number> => ({
  frac_reward_zero_std: mean(groupsOf(scores, group).map((some) => Number(deviation(some) < 1e-8))),
});

/** The same and more under the names that TRL's GRPO and RLOO have for them. `tokens` are those of earlier batches. */
export function completionFigures(
  { sequences, finished, raw, scores }: Scored,
  source: RewardSource,
  tokens: number,
): Record<string, number> {
  const lengths = sequences.map(completionLength);
  const ended = lengths.filter((_, i) => finished[i]);
  const named = `rewards/${source.kind === 'rule' ? source.name : source.kind}`;
  return {
    num_tokens: tokens + sum(sequences.map(({ ids }) => ids.length)),
    ...lengthFigures('length', lengths),
    // As TRL has it where none ended.
    ...lengthFigures('terminated_length', ended.length > 0 ? ended : [0]),
    'completions/clipped_ratio': 1 - ended.length / lengths.length,
    [`${named}/mean`]: mean(raw),
    [`${named}/std`]: deviation(raw),
    reward: mean(scores),
    reward_std: deviation(scores),
  };
}

const completionLength = ({ ids, promptLength }: Sequence): number => ids.length - promptLength;

const lengthFigures = (name: string, lengths: readonly number[]): Record<string, number> => ({
  [`completions/mean_${name}`]: mean(lengths),
  [`completions/min_${name}`]: Math.min(...lengths),
  [`completions/max_${name}`]: Math.max(...lengths),
});

/** The mean of each figure over the epochs of an update. */
export const averages = (epochs: readonly Record<string, number>[]): Record<string, number> =>
  Object.fromEntries(Object.keys(epochs[0]!).map((key) => [key, mean(epochs.map((each) => each[key]!))]));

/** TRL's figures of what is clipped from below and above: shares of each completion, which count by their weights. */
export function clipFigures([low = [], high = []]: readonly number[][], weights: readonly number[]) {
  const share = (of: readonly number[]): number =>
    sum(of.map((value, row) => value * weights[row]!)) / sum(weights);
  return {
    'clip_ratio/low_mean': share(low),
    'clip_ratio/low_min': Math.min(...low),
    'clip_ratio/high_mean': share(high),
    'clip_ratio/high_max': Math.max(...high),
    'clip_ratio/region_mean': share(low) + share(high),
  };
}
