// The best that the last stage trained on a rule could have come to, where that is known: with a rule of 1 and 0 the
// reference tilted by e^{score / price}, prompt by prompt, estimated from what the reference itself writes to the
// prompts of an evaluation.

import { bootstrapMean } from '../evaluate/bootstrap';
import { type EvaluatedSample, opponent } from '../evaluate/evaluate';
import { byPrompt } from '../evaluate/measures';
import { newTokens } from '../shared/budget';
import { type EvaluateStage, type Experiment, type Stage, stageNames } from '../shared/experiment';
import { leaving, methodOf } from '../shared/methods';
import { bestOfNKl, tiltedReward, tiltedShare } from '../shared/optimum';
import type { Report } from '../shared/protocol';
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
 *  lets a policy buy its share where that is cheap. Beside it how far the best of n completions lies from the reference,
 *  which shares of good ones tell exactly. */
export function optimumFindings(
  { stage, reference, price, unfinished }: KnownOptimum,
  samples: readonly EvaluatedSample[],
  prompts: number,
  seed: number,
): NonNullable<Report['findings']> | null {
  if (!samples.every(({ reward }) => reward === 0 || reward === 1)) return null;
  const grouped = (checkpoint: string): EvaluatedSample[][] => byPrompt(samples, prompts, checkpoint);
  const more = grouped(opponent(reference));
  const drawn = grouped(reference).map((rows, p) => [...rows, ...more[p]!]);
  const rewardOf = ({ reward }: EvaluatedSample): number => reward!;
  const mean = (rows: readonly EvaluatedSample[]): number =>
    rows.reduce((sum, row) => sum + rewardOf(row), 0) / rows.length;
  const best = drawn.map((rows) =>
    tiltedReward(
      rows.map((row) => ({
        reward: rewardOf(row),
        objective: row.finished ? rewardOf(row) : unfinished(rewardOf(row)),
      })),
      price,
    ),
  );
  const together = bootstrapMean(drawn.map(mean), seed);
  const n = grouped(reference)[0]!.length;
  const bound = (share: number): number => tiltedShare(share, price);
  return {
    [stage]: {
      reached: bootstrapMean(grouped(stage).map(mean), seed),
      optimum: bootstrapMean(best, seed),
      ...(unfinished(0) === 0 && {
        optimum_at_most: {
          value: bound(together.value),
          low: bound(together.low),
          high: bound(together.high),
        },
      }),
      ...(n > 1 && {
        [`best_of_${n}_kl`]: bootstrapMean(
          drawn.map((rows) => bestOfNKl(mean(rows), n)),
          seed,
        ),
      }),
    },
  };
}
