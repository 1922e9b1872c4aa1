// Direct preference optimisation (Rafailov et al. 2023): the policy itself is the reward model. Its implicit reward of
// a completion is β·log(π/ref), and pairs teach it as they would teach a reward model, without any sampling. A yield is
// one optimizer step.

import { tf } from '../engine/tf';
import type { Adapter } from '../model/lora';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { minusLogSigmoid, sftLoss } from './losses';
import {
  implicitReward,
  type Known,
  learnFromPairs,
  type PairBatch,
  pick,
  type PreferenceContext,
  type SideTensors,
} from './preference';
import { sum, type TrainState } from './state';

export interface DpoContext extends PreferenceContext {
  /** The policy as it was before this stage, frozen. */
  reference: Adapter;
}

type DpoSettings = Pick<StageOf<'dpo'>, 'beta' | 'loss_type' | 'label_smoothing' | 'ipo_length_norm'>;

/** The sum of the losses of P pairs. All [P]: log-probabilities of the completions under policy and reference, and
 *  their tokens. With δ = log(π_c/ref_c) − log(π_r/ref_r) and the share ε of labels taken to be wrong:
 *  sigmoid: −(1−ε)·log σ(βδ) − ε·log σ(−βδ) (ε > 0: "conservative" DPO); robust (Chowdhury et al. 2024):
 *  (−(1−ε)·log σ(βδ) + ε·log σ(−βδ)) / (1−2ε), whose mean over labels flipped with ε is the loss of the true ones;
 *  hinge (SLiC): max(0, 1 − βδ); ipo (Azar et al. 2023): (δ − 1/2β)², TRL's δ with each side divided by its length. */
export function dpoLoss(
  policy: SideTensors,
  reference: SideTensors,
  lengths: SideTensors,
  { beta, loss_type, label_smoothing, ipo_length_norm }: DpoSettings,
): tf.Scalar {
  const chosen = tf.sub(policy.chosen, reference.chosen); // [P]
  const rejected = tf.sub(policy.rejected, reference.rejected); // [P]
  const delta = tf.sub(chosen, rejected); // [P]
  const scaled = tf.mul(delta, beta);
  const right = minusLogSigmoid(scaled);
  const wrong = minusLogSigmoid(tf.neg(scaled));
  switch (loss_type) {
    case 'sigmoid':
      return tf.sum(tf.add(tf.mul(right, 1 - label_smoothing), tf.mul(wrong, label_smoothing)));
    case 'robust': {
      const difference = tf.sub(tf.mul(right, 1 - label_smoothing), tf.mul(wrong, label_smoothing));
      return tf.sum(tf.div(difference, 1 - 2 * label_smoothing));
    }
    case 'hinge':
      return tf.sum(tf.relu(tf.sub(1, scaled)));
    case 'ipo': {
      const margin = ipo_length_norm
        ? tf.sub(tf.div(chosen, lengths.chosen), tf.div(rejected, lengths.rejected))
        : delta;
      return tf.sum(tf.square(tf.sub(margin, 1 / (2 * beta))));
    }
  }
}

type DpoStage = StageOf<'dpo'>;

/** What a micro-batch adds to the loss of the batch `rows`: the mean over its pairs, and, weighted by rpo_alpha (Pang
 *  et al. 2024), the negative log-likelihood of its chosen completions, the mean over their tokens. */
export function dpoPart(
  stage: DpoSettings & Pick<DpoStage, 'rpo_alpha'>,
  micro: PairBatch,
  logps: SideTensors,
  { reference, lengths }: Known,
  rows: readonly number[],
) {
  const preference = dpoLoss(logps, pick(micro, reference!), pick(micro, lengths), stage);
  const loss = tf.div<tf.Scalar>(preference, rows.length);
  const nll = sftLoss(logps.chosen, sum(rows.map((row) => lengths.chosen[row]!)));
  const { rpo_alpha: weight } = stage;
  return { loss: weight === null ? loss : tf.add<tf.Scalar>(loss, tf.mul(nll, weight)), nll_loss: nll };
}

export async function* dpo(
  context: DpoContext,
  stage: DpoStage,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  yield* learnFromPairs(context, stage, state, context.reference, {
    part: (...given) => dpoPart(stage, ...given),
    reward: (...given) => implicitReward(stage, ...given),
  });
}
