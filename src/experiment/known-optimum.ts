// What a rule of 1 and 0 lets be known, prompt by prompt, estimated from what the reference itself writes to the prompts of
// an evaluation: the best that the last stage trained on it could have come to, which is the reference tilted by
// e^{score / price}, and how far the best of n completions lies from the reference.

import { bootstrapMean } from '../evaluate/bootstrap';
import { type EvaluatedSample, opponent, OPTIMUM_DRAWS } from '../evaluate/evaluate';
import { byPrompt } from '../evaluate/measures';
import { newTokens } from '../shared/budget';
import { type EvaluateStage, type Experiment, type Stage, stageNames } from '../shared/experiment';
import { leaving, methodOf } from '../shared/methods';
import { bestOfNKey, bestOfNKl, tiltedReward, tiltedShare } from '../shared/optimum';
import type { Interval, Report } from '../shared/protocol';
import { lastBefore } from './workshop';

export interface KnownOptimum {
  /** The stage it is the optimum of. */
  stage: string;
  /** The checkpoint that the stage is held to. */
  reference: string;
  /** What a nat of KL costs. */
  price: number;
  /** What a completion scores that did not end, given what it scored. */
  unfinished: (reward: number) => number;
}

/** Settings that make the optimum another one, unless they are so. */
const PLAIN: Readonly<Record<string, unknown>> = {
  kl_target: null,
  kl_estimator: 'k1',
  whiten_rewards: false,
  use_score_scaling: false,
  score_clip: null,
  entropy_coef: 0,
  gamma: 1,
};

/** Null where it is not known: another reward, a method or a setting with an optimum of its own, or an evaluation that
 *  samples otherwise than the stage did. */
export function knownOptimum(
  experiment: Experiment,
  index: number,
  evaluation: EvaluateStage,
): KnownOptimum | null {
  const { stages } = experiment;
  const at = stages.findLastIndex((stage, i) => i < index && 'reward' in stage);
  if (at < 0) return null;
  const stage = stages[at] as Extract<Stage, { reward: unknown }>;
  const key = methodOf(stage.kind).klPrice;
  if (key === undefined || stage.reward.kind !== 'rule') return null;
  const fields = stage as unknown as Record<string, unknown>;
  const price = Number(fields[key]);
  const plain = Object.entries(PLAIN).every(([name, value]) => !(name in fields) || fields[name] === value);
  const alike =
    stage.temperature === evaluation.temperature && newTokens(stage) === evaluation.max_new_tokens;
  if (!plain || !alike || price === 0) return null;
  const penalty = stage.missing_eos_penalty ?? 0;
  const replaces = fields['missing_eos_trick'] === 'replace' && stage.missing_eos_penalty !== null;
  return {
    stage: stageNames(stages)[at]!,
    reference: lastBefore(experiment, at, ...leaving('policy')) ?? 'base',
    price,
    unfinished: (reward) => (replaces ? -penalty : reward - penalty),
  };
}

/** What the stage reached and what the best policy would have, with intervals over prompts; nothing where scores are
 *  not 1 and 0. With no penalty for not ending the best is also known from above: of all prompts taken together, which
 *  lets a policy buy its share where that is cheap. */
export function optimumFindings(
  { stage, reference, price, unfinished }: KnownOptimum,
  samples: readonly EvaluatedSample[],
  prompts: number,
  seed: number,
): NonNullable<Report['findings']> | null {
  if (!isBinary(samples)) return null;
  const drawn = drawnFrom(reference, samples, prompts);
  const best = drawn.map((rows) =>
    tiltedReward(
      rows.map((row) => ({
        reward: rewardOf(row),
        objective: row.finished ? rewardOf(row) : unfinished(rewardOf(row)),
      })),
      price,
    ),
  );
  const together = bootstrapMean(drawn.map(share), seed);
  const bound = (good: number): number => tiltedShare(good, price);
  return {
    [stage]: {
      reached: bootstrapMean(byPrompt(samples, prompts, stage).map(share), seed),
      optimum: bootstrapMean(best, seed),
      ...(unfinished(0) === 0 && {
        optimum_at_most: {
          value: bound(together.value),
          low: bound(together.low),
          high: bound(together.high),
        },
      }),
    },
  };
}

/** How far the best of the reference's first completions of each prompt lies from the reference: exact in the shares of
 *  good ones, which are known as well as all that it wrote tells them. Nothing where scores are not 1 and 0, or where too
 *  little was written to tell a share. */
export function bestOfNFindings(
  reference: string,
  samples: readonly EvaluatedSample[],
  prompts: number,
  seed: number,
): Record<string, Interval> | null {
  const n = byPrompt(samples, prompts, reference)[0]?.length ?? 0;
  const drawn = drawnFrom(reference, samples, prompts);
  if (n < 2 || !isBinary(samples) || drawn.some((rows) => rows.length < OPTIMUM_DRAWS)) return null;
  const nats = drawn.map((rows) => bestOfNKl(share(rows), n));
  return { [bestOfNKey(n)]: bootstrapMean(nats, seed) };
}

const isBinary = (samples: readonly EvaluatedSample[]): boolean =>
  samples.every(({ reward }) => reward === 0 || reward === 1);

/** All that a checkpoint wrote to each prompt. */
function drawnFrom(checkpoint: string, samples: readonly EvaluatedSample[], prompts: number) {
  const more = byPrompt(samples, prompts, opponent(checkpoint));
  return byPrompt(samples, prompts, checkpoint).map((rows, p) => [...rows, ...more[p]!]);
}

const rewardOf = ({ reward }: EvaluatedSample): number => reward!;

const share = (rows: readonly EvaluatedSample[]): number =>
  rows.reduce((sum, row) => sum + rewardOf(row), 0) / rows.length;
