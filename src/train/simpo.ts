// Simple preference optimisation (Meng et al. 2024): the reward of a completion is β times its log-probability a token,
// as a sampler ranks it, and the chosen one must lead by a margin γ. No reference is kept, so nothing but a small rate
// and early stopping holds the policy near to where it began. A yield is one optimizer step.

import { batchIndices } from '../data/batches';
import { tf } from '../engine/tf';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { minusLogSigmoid, sftLoss } from './losses';
import { accumulateGradients } from './optimizer';
import {
  completionLengths,
  longerSides,
  lookAtPairs,
  meanReward,
  type PairBatch,
  pairBatches,
  perTokenOf,
  pick,
  type PreferenceContext,
  sideFigures,
  sideLogprobs,
  type Sides,
  type SideTensors,
  ToldSides,
} from './preference';
import { learningRateAt } from './schedule';
import { keepBest, metricsRow, outOfPatience, ScalarSums, sum, type TrainState } from './state';

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

export async function* simpo(
  context: PreferenceContext,
  stage: StageOf<'simpo'>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, name, seed, train, heldOut } = context;
  const policy = state.adapters['policy']!;
  const optimizer = state.optimizers['policy']!;
  const variables = [...policy.variables.values()];
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const grouped = stage.group_by_length ? longerSides(train) : undefined;
  const lengths = completionLengths(train);
  const lengthsHeldOut = completionLengths(heldOut);

  while (state.step < stage.max_steps && !outOfPatience(state, stage.early_stopping_patience)) {
    const step = state.step;
    const rows = batchIndices(train.length, batchSize, step, seed, name, grouped);
    const sums = new ScalarSums();
    const told = new ToldSides();
    let grads: tf.Tensor[] | null = null;
    for (const micro of pairBatches(train, model.config.context, rows)) {
      const batchLoss = (): tf.Scalar => {
        const logps = sideLogprobs(model, policy, micro); // [P], [P]
        const { loss, nll } = part(stage, micro, logps, lengths, rows);
        sums.add(loss, nll);
        told.add(micro, logps);
        return loss;
      };
      grads = accumulateGradients(batchLoss, variables, grads);
    }
    const learningRate = learningRateAt(step, stage.max_steps, stage);
    const [loss, nll] = await sums.read();
    const logps = await told.read();
    const gradNorm = await optimizer.update(grads ?? [], learningRate, stage);

    state.step = step + 1;
    const read = sum(rows.map((row) => train[row]!.chosen.ids.length + train[row]!.rejected.ids.length));
    state.scalars['num_tokens'] = (state.scalars['num_tokens'] ?? 0) + read;
    const metrics: Record<string, number> = {
      loss: loss!,
      nll_loss: nll!,
      ...sideFigures(rows, logps, meanReward(stage, lengths, logps)),
      grad_norm: gradNorm,
      learning_rate: learningRate,
      num_tokens: state.scalars['num_tokens'],
      epoch: (state.step * batchSize) / train.length,
    };
    metricsRow(name, state.step, metrics);
    if (heldOut.length > 0 && (state.step % stage.eval_steps === 0 || state.step === stage.max_steps)) {
      const all = [...heldOut.keys()];
      const looked = await lookAtPairs(
        model,
        policy,
        heldOut,
        (micro, logps) => part(stage, micro, logps, lengthsHeldOut, all).loss,
        (logps) => meanReward(stage, lengthsHeldOut, logps),
      );
      Object.assign(metrics, looked);
      keepBest(state, policy, -looked.eval_loss, stage.early_stopping_patience);
    }
    yield metricsRow(name, state.step, metrics);
  }
}

/** What a micro-batch adds to the loss of the batch `rows`: the mean over its pairs, and, weighted by cpo_alpha, the
 *  negative log-likelihood of its chosen completions, the mean over their tokens. */
function part(
  stage: StageOf<'simpo'>,
  micro: PairBatch,
  logps: SideTensors,
  lengths: Sides,
  rows: readonly number[],
) {
  const mean = perTokenOf(logps, pick(micro, lengths)); // [P], [P]
  const preference = tf.div<tf.Scalar>(simpoLoss(mean, stage), rows.length);
  const nll = sftLoss(logps.chosen, sum(rows.map((row) => lengths.chosen[row]!)));
  return { loss: tf.add<tf.Scalar>(preference, tf.mul(nll, stage.cpo_alpha)), nll };
}
