// Group relative policy optimisation (Shao et al. 2024): a completion is compared with the others of the same prompt,
// so that no critic is needed; KL to the reference is a term of the loss. A yield is one update: a batch of groups
// sampled, scored, and learnt from. The loss's ways of counting tokens are TRL's.

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
} from './rollouts';
import { learningRateAt } from './schedule';
import { deviation, mean, metricsRow, ScalarSums, sum, ToldRows, type TrainState } from './state';

/** (r − mean of the group) / (deviation + 1e-4), the deviation (Bessel's correction) that of the group or of the whole
 *  batch; `none` leaves the differences as they are (Liu et al. 2025: dividing favours prompts of little spread). */
export function groupAdvantages(
  scores: readonly number[],
  group: number,
  scale: StageOf<'grpo'>['scale_rewards'],
): number[] {
  const spread = deviation(scores);
  return groupsOf(scores, group).flatMap((some) => {
    const centre = mean(some);
    const divisor = scale === 'none' ? 1 : (scale === 'group' ? deviation(some) : spread) + 1e-4;
    return some.map((score) => (score - centre) / divisor);
  });
}

/** What a token of each row weighs in the loss of a batch. grpo: tokens of a row share its weight, rows weigh alike.
 *  dapo: all tokens weigh alike. bnpo: the same within each device batch, and these weigh alike. dr_grpo: a constant,
 *  the longest completion there could be for a length, so that a row's length changes nothing. */
export function tokenWeights(
  lengths: readonly number[],
  lossType: StageOf<'grpo'>['loss_type'],
  { deviceBatch, longest }: { deviceBatch: number; longest: number },
): number[] {
  const rows = lengths.length;
  switch (lossType) {
    case 'grpo':
      return lengths.map((length) => 1 / (rows * length));
    case 'dapo':
      return lengths.map(() => 1 / sum(lengths));
    case 'bnpo': {
      const batches = rows / deviceBatch;
      return groupsOf(lengths, deviceBatch).flatMap((some) => some.map(() => 1 / (batches * sum(some))));
    }
    case 'dr_grpo':
      return lengths.map(() => 1 / (rows * longest));
  }
}

type GrpoSettings = Pick<StageOf<'grpo'>, 'beta' | 'epsilon' | 'epsilon_high' | 'importance_sampling_level'>;

/** Σ weight · (−min(ρA, clip(ρ)A) + β·k3), with k3 = e^d − d − 1, d = log(ref/π): an estimate of the KL that is never
 *  negative, and biased as a loss: its gradient is that of the forward KL. All [B, T], 0 at padding; ρ is taken for
 *  each token, or for the row, the geometric mean over its tokens (Zheng et al. 2025). Also the part that is not KL, the
 *  mean of k3 over tokens, and the shares of each row's tokens that are clipped from below and above, [B]. */
export function grpoLoss(
  logprobs: tf.Tensor2D,
  given: { old: tf.Tensor2D; reference: tf.Tensor2D; advantages: tf.Tensor2D; weights: tf.Tensor2D },
  { beta, epsilon, epsilon_high, importance_sampling_level }: GrpoSettings,
  tokens: number,
): { loss: tf.Scalar; policy: tf.Scalar; kl: tf.Scalar; low: tf.Tensor1D; high: tf.Tensor1D } {
  const { old, reference, advantages, weights } = given;
  const real = tf.cast(tf.greater(weights, 0), 'float32'); // [B, T]
  const moved = tf.sub(logprobs, old); // [B, T]
  const logRatio =
    importance_sampling_level === 'token'
      ? moved
      : tf.mul(tf.div(tf.sum(moved, 1, true), tf.sum(real, 1, true)), real);
  const ratio = tf.exp(logRatio);
  const [lowest, highest] = [1 - epsilon, 1 + (epsilon_high ?? epsilon)];
  const gains = tf.minimum(
    tf.mul(ratio, advantages),
    tf.mul(tf.clipByValue(ratio, lowest, highest), advantages),
  );
  const apart = tf.sub(reference, logprobs); // [B, T]
  const k3 = tf.sub(tf.expm1(apart), apart);
  const policy = tf.neg<tf.Scalar>(tf.sum(tf.mul(gains, weights)));
  const penalty = tf.sum<tf.Scalar>(tf.mul(k3, weights));
  const share = (clipped: tf.Tensor): tf.Tensor1D =>
    tf.div(tf.sum(tf.mul(tf.cast(clipped, 'float32'), real), 1), tf.sum(real, 1));
  return {
    loss: beta === 0 ? policy : tf.add(policy, tf.mul(penalty, beta)),
    policy,
    kl: tf.div(tf.sum(k3), tokens),
    low: share(tf.logicalAnd(tf.less(ratio, lowest), tf.less(advantages, 0))),
    high: share(tf.logicalAnd(tf.greater(ratio, highest), tf.greater(advantages, 0))),
  };
}

export async function* grpo(
  context: SamplingContext,
  stage: StageOf<'grpo'>,
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

    // 2. Advantages within each group, and the epochs over them.
    const advantages = groupAdvantages(assessed.scores, group, stage.scale_rewards);
    const learningRate = learningRateAt(step, totalUpdates, stage);
    const epochs: Record<string, number>[] = [];
    for (let epoch = 0; epoch < stage.num_iterations; epoch++) {
      epochs.push(await learn(context, stage, state, assessed, advantages, learningRate));
    }

    state.step = step + 1;
    state.scalars['num_tokens'] = figures.num_tokens!;
    yield metricsRow(context.name, state.step, {
      ...figures,
      ...averages(epochs),
      learning_rate: learningRate,
      episode: state.step * batchSize,
    });
  }
}

/** One update over the whole batch, in micro-batches. */
async function learn(
  { model, name }: SamplingContext,
  stage: StageOf<'grpo'>,
  state: TrainState,
  { sequences, oldLogprobs, refLogprobs }: Assessed,
  advantages: readonly number[],
  learningRate: number,
): Promise<Record<string, number>> {
  const { temperature, max_completion_length: longest, per_device_train_batch_size: deviceBatch } = stage;
  const policy = state.adapters['policy']!;
  const lengths = oldLogprobs.map((row) => row.length);
  const tokens = sum(lengths);
  const weights = tokenWeights(lengths, stage.loss_type, { deviceBatch, longest });
  const everyToken = (values: readonly number[]): Float32Array[] =>
    values.map((value, row) => new Float32Array(lengths[row]!).fill(value));

  const sums = new ScalarSums();
  const clips = new ToldRows();
  const batches = microBatches(sequences, model.config.context, sequences.keys(), deviceBatch);
  const grads = gradientsOver(batches, [...policy.variables.values()], (micro) => {
    const { logprobs, entropy } = completionLogprobs(model, policy, micro.batch, { temperature }); // [B, T]
    const given = {
      old: padded(micro, oldLogprobs),
      reference: padded(micro, refLogprobs),
      advantages: padded(micro, everyToken(advantages)),
      weights: padded(micro, everyToken(weights)),
    };
    const { loss, policy: gain, kl, low, high } = grpoLoss(logprobs, given, stage, tokens);
    sums.add(loss, gain, kl, tf.sum(entropy));
    clips.add(micro.rows, low, high);
    return loss;
  });
  const update = state.optimizers['policy']!.update(grads, learningRate, stage);
  const [gradNorm, [loss, policyLoss, kl, entropy], clipped] = await Promise.all([
    update,
    sums.read(),
    clips.read(),
  ]);
  // TRL counts clipped tokens, or clipped sequences where there is one ratio for each.
  const counts = stage.importance_sampling_level === 'token' ? lengths : lengths.map(() => 1);
  const metrics = {
    loss: loss!,
    policy_loss: policyLoss!,
    kl: kl!,
    ...clipFigures(clipped, counts),
    entropy: entropy! / tokens,
    grad_norm: gradNorm,
  };
  metricsRow(name, state.step + 1, metrics);
  return metrics;
}
