// REINFORCE leave-one-out (Kool et al. 2019; Ahmadian et al. 2024): a whole completion is one action, its reward is the
// score less the price of its KL, and the mean reward of the other completions of the same prompt is what it is
// compared with. A yield is one update: a batch of groups sampled, scored, and learnt from.

import { microBatches, padded } from '../data/micro-batches';
import { tf } from '../engine/tf';
import { completionLogprobs } from '../model/logprobs';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { gradientsOver } from './optimizer';
import {
  type Assessed,
  assessEpisodes,
  averages,
  clipFigures,
  completionFigures,
  groupFigures,
  groupsOf,
  sampleEpisodes,
  sampleFigures,
  type SamplingContext,
  sequenceKl,
} from './rollouts';
import { learningRateAt } from './schedule';
import { deviation, mean, metricsRow, ScalarSums, sum, ToldRows, type TrainState } from './state';

/** Each reward less the mean of the others of its group. */
export function leaveOneOut(rewards: readonly number[], group: number): number[] {
  return groupsOf(rewards, group).flatMap((some) => {
    const total = sum(some);
    return some.map((reward) => reward - (total - reward) / (group - 1));
  });
}

/** Brought to mean 0 and deviation 1 over the batch, as TRL does: the deviation (Bessel's correction) plus 1e-4. */
export function normalised(advantages: readonly number[]): number[] {
  const [centre, spread] = [mean(advantages), deviation(advantages)];
  return advantages.map((advantage) => (advantage - centre) / (spread + 1e-4));
}

/** −min(ρA, clip(ρ)A) of whole completions, ρ = e^{Σ new − Σ old}, the mean over `rows` of them; with those that are
 *  clipped from below and above, 1 for each. `logprobs`, `old` [B, T], 0 at padding; the others [B] */
export function rlooLoss(
  logprobs: tf.Tensor2D,
  old: tf.Tensor2D,
  advantages: tf.Tensor1D,
  epsilon: number,
  rows: number,
): { loss: tf.Scalar; low: tf.Tensor1D; high: tf.Tensor1D } {
  const ratio = tf.exp(tf.sum(tf.sub(logprobs, old), 1)); // [B]
  const gains = tf.minimum(
    tf.mul(ratio, advantages),
    tf.mul(tf.clipByValue(ratio, 1 - epsilon, 1 + epsilon), advantages),
  );
  const clipped = (which: tf.Tensor): tf.Tensor1D => tf.cast(which as tf.Tensor1D, 'float32');
  return {
    loss: tf.div(tf.neg(tf.sum(gains)), rows),
    low: clipped(tf.logicalAnd(tf.less(ratio, 1 - epsilon), tf.less(advantages, 0))),
    high: clipped(tf.logicalAnd(tf.greater(ratio, 1 + epsilon), tf.greater(advantages, 0))),
  };
}

export async function* rloo(
  context: SamplingContext,
  stage: StageOf<'rloo'>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const policy = state.adapters['policy']!;
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const totalUpdates = Math.ceil(stage.total_episodes / batchSize);
  const { num_generations: group, max_completion_length: newTokens, temperature } = stage;
  while (state.step < totalUpdates) {
    const step = state.step;
    // 1. Groups of completions, with log-probabilities and scores.
    const options = { count: batchSize, group, newTokens, temperature };
    const episodes = await sampleEpisodes(context, policy, step, options);
    const assessed = await assessEpisodes(context, policy, episodes, stage);
    const figures = {
      ...sampleFigures(assessed, stage.beta),
      ...groupFigures(assessed.scores, group),
      ...completionFigures(assessed, stage.reward, state.scalars['num_tokens'] ?? 0),
    };
    metricsRow(context.name, step + 1, figures); // Refuses a score that is no number before it is learnt from.

    // 2. Rewards with the KL in them, and advantages over the others of the group.
    const kl = sequenceKl(assessed);
    const { score_clip: most } = stage;
    const rewards = assessed.scores.map((score, i) => {
      const cut = most === null ? score : Math.min(most, Math.max(-most, score));
      return cut - stage.beta * kl[i]!;
    });
    const compared = leaveOneOut(rewards, group);
    const advantages = stage.normalize_advantages ? normalised(compared) : compared;
    const learningRate = learningRateAt(step, totalUpdates, stage);
    const epochs: Record<string, number>[] = [];
    for (let epoch = 0; epoch < stage.num_iterations; epoch++) {
      epochs.push(await learn(context, stage, state, assessed, advantages, learningRate));
    }

    state.step = step + 1;
    state.scalars['num_tokens'] = figures.num_tokens!;
    yield metricsRow(context.name, state.step, {
      ...figures,
      kl: sum(kl) / sum(assessed.oldLogprobs.map((row) => row.length)),
      ...averages(epochs),
      learning_rate: learningRate,
      episode: state.step * batchSize,
    });
  }
}

/** One update over the whole batch, in micro-batches. */
async function learn(
  { model, name }: SamplingContext,
  stage: StageOf<'rloo'>,
  state: TrainState,
  { sequences, oldLogprobs }: Assessed,
  advantages: readonly number[],
  learningRate: number,
): Promise<Record<string, number>> {
  const { temperature, epsilon, per_device_train_batch_size: most } = stage;
  const policy = state.adapters['policy']!;
  const tokens = sum(oldLogprobs.map((row) => row.length));
  const sums = new ScalarSums();
  const clips = new ToldRows();
  const batches = microBatches(sequences, model.config.context, sequences.keys(), most);
  const grads = gradientsOver(batches, [...policy.variables.values()], (micro) => {
    const { logprobs, entropy } = completionLogprobs(model, policy, micro.batch, { temperature }); // [B, T]
    const own = tf.tensor1d(micro.rows.map((row) => advantages[row]!)); // [B]
    const old = padded(micro, oldLogprobs);
    const { loss, low, high } = rlooLoss(logprobs, old, own, epsilon, sequences.length);
    sums.add(loss, tf.sum(entropy));
    clips.add(micro.rows, low, high);
    return loss;
  });
  const update = state.optimizers['policy']!.update(grads, learningRate, stage);
  const [gradNorm, [loss, entropy], clipped] = await Promise.all([update, sums.read(), clips.read()]);
  const counts = sequences.map(() => 1);
  const metrics = {
    loss: loss!,
    ...clipFigures(clipped, counts),
    entropy: entropy! / tokens,
    grad_norm: gradNorm,
  };
  metricsRow(name, state.step + 1, metrics);
  return metrics;
}
