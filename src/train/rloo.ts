// REINFORCE leave-one-out (Kool et al. 2019; Ahmadian et al. 2024): a whole completion is one action, its reward is the
// score less the price of its KL, and the mean reward of the other completions of the same prompt is what it is
// compared with. A yield is one update: a batch of groups sampled, scored, and learnt from.

import { microBatches, padded } from '../data/micro-batches';
import { tf } from '../engine/tf';
import { completionLogprobs } from '../model/logprobs';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { whiten } from './advantage';
import { accumulateGradients } from './optimizer';
import {
  type Assessed,
  assessEpisodes,
  groupFigures,
  groupsOf,
  sampleEpisodes,
  sampleFigures,
  type SamplingContext,
  sequenceKl,
} from './rollouts';
import { learningRateAt } from './schedule';
import { mean, metricsRow, ScalarSums, sum, type TrainState } from './state';

/** Each reward less the mean of the others of its group. */
export function leaveOneOut(rewards: readonly number[], group: number): number[] {
  return groupsOf(rewards, group).flatMap((some) => {
    const total = sum(some);
    return some.map((reward) => reward - (total - reward) / (group - 1));
  });
}

/** −min(ρA, clip(ρ)A) of whole completions, ρ = e^{Σ new − Σ old}, the mean over `rows` of them; with the shares that
 *  are clipped from below and above. `logprobs`, `old` [B, T], 0 at padding; `advantages` [B] */
export function rlooLoss(
  logprobs: tf.Tensor2D,
  old: tf.Tensor2D,
  advantages: tf.Tensor1D,
  epsilon: number,
  rows: number,
): { loss: tf.Scalar; low: tf.Scalar; high: tf.Scalar } {
  const ratio = tf.exp(tf.sum(tf.sub(logprobs, old), 1)); // [B]
  const gains = tf.minimum(
    tf.mul(ratio, advantages),
    tf.mul(tf.clipByValue(ratio, 1 - epsilon, 1 + epsilon), advantages),
  );
  const share = (clipped: tf.Tensor): tf.Scalar => tf.div(tf.sum(tf.cast(clipped, 'float32')), rows);
  return {
    loss: tf.div(tf.neg(tf.sum(gains)), rows),
    low: share(tf.logicalAnd(tf.less(ratio, 1 - epsilon), tf.less(advantages, 0))),
    high: share(tf.logicalAnd(tf.greater(ratio, 1 + epsilon), tf.greater(advantages, 0))),
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
    const figures = { ...sampleFigures(assessed, stage.beta), ...groupFigures(assessed.scores, group) };
    metricsRow(context.name, step + 1, figures); // Refuses a score that is no number before it is learnt from.

    // 2. Rewards with the KL in them, and advantages over the others of the group.
    const kl = sequenceKl(assessed);
    const rewards = assessed.scores.map((score, i) => score - stage.beta * kl[i]!);
    const compared = leaveOneOut(rewards, group);
    const advantages = stage.normalize_advantages ? Array.from(whiten([compared])[0]!) : compared;
    const learningRate = learningRateAt(step, totalUpdates, stage);
    const epochs: Record<string, number>[] = [];
    for (let epoch = 0; epoch < stage.num_iterations; epoch++) {
      epochs.push(await learn(context, stage, state, assessed, advantages, learningRate));
    }

    state.step = step + 1;
    const averages = Object.keys(epochs[0]!).map((key) => [key, mean(epochs.map((m) => m[key]!))]);
    yield metricsRow(context.name, state.step, {
      ...figures,
      kl: sum(kl) / sum(assessed.oldLogprobs.map((row) => row.length)),
      ...(Object.fromEntries(averages) as Record<string, number>),
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
  const { temperature, epsilon } = stage;
  const policy = state.adapters['policy']!;
  const tokens = sum(oldLogprobs.map((row) => row.length));
  const sums = new ScalarSums();
  let grads: tf.Tensor[] | null = null;
  for (const micro of microBatches(sequences, model.config.context)) {
    const batchLoss = (): tf.Scalar => {
      const { logprobs, entropy } = completionLogprobs(model, policy, micro.batch, { temperature }); // [B, T]
      const own = tf.tensor1d(micro.rows.map((row) => advantages[row]!)); // [B]
      const { loss, low, high } = rlooLoss(
        logprobs,
        padded(micro, oldLogprobs),
        own,
        epsilon,
        sequences.length,
      );
      sums.add(loss, low, high, tf.div(tf.sum(entropy), tokens));
      return loss;
    };
    grads = accumulateGradients(batchLoss, [...policy.variables.values()], grads);
  }
  const [loss, low, high, entropy] = await sums.read();
  const metrics = {
    loss: loss!,
    'clip_ratio/low_mean': low!,
    'clip_ratio/high_mean': high!,
    'clip_ratio/region_mean': low! + high!,
    entropy: entropy!,
    grad_norm: await state.optimizers['policy']!.update(grads ?? [], learningRate, stage),
  };
  metricsRow(name, state.step + 1, metrics);
  return metrics;
}
