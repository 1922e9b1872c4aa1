// Simple preference optimisation (Meng et al. 2024): the reward of a completion is β times its log-probability a token,
// as a sampler ranks it, and the chosen one must lead by a margin γ. No reference is kept, so nothing but a small rate
// and early stopping holds the policy near to where it began. A yield is one optimizer step.

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

type SimpoSettings = Pick<StageOf<'simpo'>, 'beta' | 'simpo_gamma' | 'label_smoothing'>;

/** The sum of the losses of P pairs: −log σ(β(m_c − m_r) − γ), smoothed by the share ε of labels taken to be wrong.
 *  `mean` holds log-probabilities a token, [P] each. */
export function simpoLoss(
  mean: SideTensors,
  { beta, simpo_gamma, label_smoothing }: SimpoSettings,
): tf.Scalar {
  const lead = tf.sub(tf.mul(tf.sub(mean.chosen, mean.rejected), beta), simpo_gamma); // [P]
  const right = minusLogSigmoid(lead);
  const wrong = minusLogSigmoid(tf.neg(lead));
  return tf.sum(tf.add(tf.mul(right, 1 - label_smoothing), tf.mul(wrong, label_smoothing)));
}

/** What a micro-batch adds to the loss of the batch `rows`: the mean over its pairs, and, weighted by cpo_alpha, the
 *  negative log-likelihood of its chosen completions, the mean over their tokens. */
export function simpoPart(
  stage: SimpoSettings & Pick<StageOf<'simpo'>, 'cpo_alpha'>,
  micro: PairBatch,
  logps: SideTensors,
  { lengths }: Known,
  rows: readonly number[],
) {
  const mean = perTokenOf(logps, pick(micro, lengths)); // [P], [P]
  const preference = tf.div<tf.Scalar>(simpoLoss(mean, stage), rows.length);
  const nll = sftLoss(logps.chosen, sum(rows.map((row) => lengths.chosen[row]!)));
  return { loss: tf.add<tf.Scalar>(preference, tf.mul(nll, stage.cpo_alpha)), nll_loss: nll };
}

export async function* simpo(
  context: PreferenceContext,
  stage: StageOf<'simpo'>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  yield* learnFromPairs(context, stage, state, null, {
    part: (...given) => simpoPart(stage, ...given),
    reward: (...given) => meanReward(stage, ...given),
  });
}
