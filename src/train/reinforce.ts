// REINFORCE (Williams 1992) on whole completions: log-probabilities are pushed up in proportion to how far the reward,
// the score less the price of KL, lies above a baseline. A yield is one update: a batch of completions sampled, scored,
// and learnt from once.

import { microBatches } from '../data/micro-batches';
import { tf } from '../engine/tf';
import { completionLogprobs } from '../model/logprobs';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { gradientsOver } from './optimizer';
import { leaveOneOut } from './rloo';
import { assessEpisodes, sampleEpisodes, sampleFigures, type SamplingContext, sequenceKl } from './rollouts';
import { learningRateAt } from './schedule';
import { mean, metricsRow, ScalarSums, sum, type TrainState } from './state';

/** −A·log π of whole completions, the mean over `rows` of them. `logprobs` [B, T], 0 at padding; `advantages` [B] */
export function reinforceLoss(logprobs: tf.Tensor2D, advantages: tf.Tensor1D, rows: number): tf.Scalar {
  return tf.div(tf.neg(tf.sum(tf.mul(tf.sum(logprobs, 1), advantages))), rows);
}

/** How much of the running mean is kept at each update. */
const KEPT = 0.9;

export async function* reinforce(
  context: SamplingContext,
  stage: StageOf<'reinforce'>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, name } = context;
  const policy = state.adapters['policy']!;
  const variables = [...policy.variables.values()];
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const totalUpdates = Math.ceil(stage.total_episodes / batchSize);
  const { max_completion_length: newTokens, temperature, beta, per_device_train_batch_size: most } = stage;
  while (state.step < totalUpdates) {
    const step = state.step;
    // 1. One completion of the policy for each prompt of a batch, with log-probabilities and a score.
    const options = { count: batchSize, group: 1, newTokens, temperature };
    const episodes = await sampleEpisodes(context, policy, step, options);
    const assessed = await assessEpisodes(context, policy, episodes, stage);
    const figures = sampleFigures(assessed, beta);
    metricsRow(name, step + 1, figures); // Refuses a score that is no number before it is learnt from.

    // 2. Rewards with the KL in them, less a baseline that does not depend on the completion itself: the gradient
    //    stays right on average, and its noise falls.
    const kl = sequenceKl(assessed);
    const rewards = assessed.scores.map((score, i) => score - beta * kl[i]!);
    const running = state.scalars['baseline'] ?? 0;
    const advantages = {
      none: () => rewards,
      batch: () => leaveOneOut(rewards, batchSize),
      moving_average: () => rewards.map((reward) => reward - running),
    }[stage.baseline]();
    state.scalars['baseline'] = step === 0 ? mean(rewards) : KEPT * running + (1 - KEPT) * mean(rewards);

    // 3. One update, in micro-batches.
    const tokens = sum(assessed.oldLogprobs.map((row) => row.length));
    const sums = new ScalarSums();
    const { sequences } = assessed;
    const batches = microBatches(sequences, model.config.context, sequences.keys(), most);
    const grads = gradientsOver(batches, variables, (micro) => {
      const { logprobs, entropy } = completionLogprobs(model, policy, micro.batch, { temperature }); // [B, T]
      const own = tf.tensor1d(micro.rows.map((row) => advantages[row]!)); // [B]
      const loss = reinforceLoss(logprobs, own, batchSize);
      sums.add(loss, tf.sum(entropy));
      return loss;
    });
    const learningRate = learningRateAt(step, totalUpdates, stage);
    const update = state.optimizers['policy']!.update(grads, learningRate, stage);
    const [gradNorm, [loss, entropy]] = await Promise.all([update, sums.read()]);

    state.step = step + 1;
    yield metricsRow(name, state.step, {
      ...figures,
      baseline: mean(rewards) - mean(advantages),
      loss: loss!,
      entropy: entropy! / tokens,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      episode: state.step * batchSize,
    });
  }
}
