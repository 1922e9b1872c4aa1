// Odds-ratio preference optimisation (Hong et al. 2024): imitation of the chosen completions and, in the same loss, a
// push that makes their odds higher than those of the rejected ones. It needs neither a reference nor an SFT stage
// before it. A yield is one optimizer step.

import { tf } from '../engine/tf';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { minusLogSigmoid, sftLoss } from './losses';
import {
  type Known,
  learnFromPairs,
  meanReward,
  type PairBatch,
  perTokenOf,
  pick,
  type PreferenceContext,
  type SideTensors,
} from './preference';
import { sum, type TrainState } from './state';

/** Sums over P pairs of log-odds ratios and of −log σ of them. `mean` holds log-probabilities a token, [P] each:
 *  log odds(x) = x − log(1 − eˣ). */
export function oddsRatio(mean: SideTensors): { logOdds: tf.Scalar; loss: tf.Scalar } {
  // A completion that is all but certain has endless odds; TRL leaves it so.
  const logOdds = (x: tf.Tensor1D): tf.Tensor1D => tf.sub(x, tf.log(tf.neg(tf.expm1(tf.minimum(x, -1e-7))))); // [P]
  const ratio = tf.sub(logOdds(mean.chosen), logOdds(mean.rejected)); // [P]
  return { logOdds: tf.sum(ratio), loss: tf.sum(minusLogSigmoid(ratio)) };
}

/** What a micro-batch adds to the figures of the batch `rows`: the negative log-likelihood of its chosen completions
 *  (the mean over their tokens) and, weighted by β, −log σ of the log-odds ratios (the mean over pairs). */
export function orpoPart(
  { beta }: Pick<StageOf<'orpo'>, 'beta'>,
  micro: PairBatch,
  logps: SideTensors,
  { lengths }: Known,
  rows: readonly number[],
) {
  const odds = oddsRatio(perTokenOf(logps, pick(micro, lengths)));
  const nll = sftLoss(logps.chosen, sum(rows.map((row) => lengths.chosen[row]!)));
  const preference = tf.div<tf.Scalar>(odds.loss, rows.length);
  return {
    loss: tf.add<tf.Scalar>(nll, tf.mul(preference, beta)),
    nll_loss: nll,
    log_odds_chosen: tf.div<tf.Scalar>(odds.logOdds, rows.length),
    log_odds_ratio: tf.neg<tf.Scalar>(preference),
  };
}

export async function* orpo(
  context: PreferenceContext,
  stage: StageOf<'orpo'>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  yield* learnFromPairs(context, stage, state, null, {
    part: (...given) => orpoPart(stage, ...given),
    reward: (...given) => meanReward(stage, ...given),
  });
}
