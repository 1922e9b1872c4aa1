// Odds-ratio preference optimisation (Hong et al. 2024): imitation of the chosen completions and, in the same loss, a
// push that makes their odds higher than those of the rejected ones. It needs neither a reference nor an SFT stage
// before it. A yield is one optimizer step.

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

/** Sums over P pairs of log-odds ratios and of −log σ of them. `mean` holds log-probabilities a token, [P] each:
 *  log odds(x) = x − log(1 − eˣ). */
export function oddsRatio(mean: SideTensors): { logOdds: tf.Scalar; loss: tf.Scalar } {
  // A completion that is all but certain has endless odds; TRL leaves it so.
  const logOdds = (x: tf.Tensor1D): tf.Tensor1D => tf.sub(x, tf.log(tf.neg(tf.expm1(tf.minimum(x, -1e-7))))); // [P]
  const ratio = tf.sub(logOdds(mean.chosen), logOdds(mean.rejected)); // [P]
  return { logOdds: tf.sum(ratio), loss: tf.sum(minusLogSigmoid(ratio)) };
}

export async function* orpo(
  context: PreferenceContext,
  stage: StageOf<'orpo'>,
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
        const { loss, nll, logOdds, logSigmoid } = part(stage, micro, logps, lengths, rows);
        sums.add(loss, nll, logOdds, logSigmoid);
        told.add(micro, logps);
        return loss;
      };
      grads = accumulateGradients(batchLoss, variables, grads);
    }
    const learningRate = learningRateAt(step, stage.max_steps, stage);
    const [loss, nll, logOdds, logSigmoid] = await sums.read();
    const logps = await told.read();
    const gradNorm = await optimizer.update(grads ?? [], learningRate, stage);

    state.step = step + 1;
    const read = sum(rows.map((row) => train[row]!.chosen.ids.length + train[row]!.rejected.ids.length));
    state.scalars['num_tokens'] = (state.scalars['num_tokens'] ?? 0) + read;
    const metrics: Record<string, number> = {
      loss: loss!,
      nll_loss: nll!,
      log_odds_chosen: logOdds!,
      log_odds_ratio: logSigmoid!,
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

/** What a micro-batch adds to the figures of the batch `rows`: the negative log-likelihood of its chosen completions
 *  (the mean over their tokens) and, weighted by β, −log σ of the log-odds ratios (the mean over pairs). */
function part(
  { beta }: StageOf<'orpo'>,
  micro: PairBatch,
  logps: SideTensors,
  lengths: Sides,
  rows: readonly number[],
) {
  const odds = oddsRatio(perTokenOf(logps, pick(micro, lengths)));
  const nll = sftLoss(logps.chosen, sum(rows.map((row) => lengths.chosen[row]!)));
  const preference = tf.div<tf.Scalar>(odds.loss, rows.length);
  return {
    loss: tf.add<tf.Scalar>(nll, tf.mul(preference, beta)),
    nll,
    logOdds: tf.div<tf.Scalar>(odds.logOdds, rows.length),
    logSigmoid: tf.neg<tf.Scalar>(preference),
  };
}
