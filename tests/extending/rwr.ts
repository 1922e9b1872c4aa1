// Reward-weighted regression (Peters & Schaal 2007): every sampled completion is imitated, weighted by e^{score / β}.

import { microBatches } from '../../src/data/micro-batches';
import { tf } from '../../src/engine/tf';
import { completionLogprobs } from '../../src/model/logprobs';
import type { MetricsRow } from '../../src/shared/protocol';
import type { Fields } from '../../src/shared/settings';
import { gradientsOver } from '../../src/train/optimizer';
import {
  assessEpisodes,
  sampleEpisodes,
  sampleFigures,
  type SamplingContext,
} from '../../src/train/rollouts';
import { learningRateAt } from '../../src/train/schedule';
import { metricsRow, ScalarSums, sum, type TrainState } from '../../src/train/state';
import type { RWR } from './rwr-row';

/** −Σ weight · log π of whole completions. `logprobs` [B, T], 0 at padding; `weights` [B] */
const rwrLoss = (logprobs: tf.Tensor2D, weights: tf.Tensor1D): tf.Scalar =>
  tf.neg(tf.sum(tf.mul(tf.sum(logprobs, 1), weights)));

export async function* rwr(
  context: SamplingContext,
  stage: Fields<typeof RWR.settings>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, name } = context;
  const policy = state.adapters['policy']!;
  const { per_device_train_batch_size: most, gradient_accumulation_steps, beta } = stage;
  const count = most * gradient_accumulation_steps;
  const totalUpdates = Math.ceil(stage.total_episodes / count);
  const { max_completion_length: newTokens, temperature } = stage;
  while (state.step < totalUpdates) {
    // 1. Completions of the policy, with log-probabilities and scores.
    const options = { count, group: 1, newTokens, temperature };
    const episodes = await sampleEpisodes(context, policy, state.step, options);
    const assessed = await assessEpisodes(context, policy, episodes, stage);
    const best = Math.max(...assessed.scores);
    const raw = assessed.scores.map((score) => Math.exp((score - best) / beta));
    const weights = raw.map((weight) => weight / sum(raw));

    // 2. One update, in micro-batches whose losses add up to the batch's.
    const sums = new ScalarSums();
    const { sequences } = assessed;
    const batches = microBatches(sequences, model.config.context, sequences.keys(), most);
    const grads = gradientsOver(batches, [...policy.variables.values()], ({ rows, batch }) => {
      const { logprobs } = completionLogprobs(model, policy, batch, { temperature }); // [B, T]
      const loss = rwrLoss(logprobs, tf.tensor1d(rows.map((row) => weights[row]!)));
      sums.add(loss);
      return loss;
    });
    const learningRate = learningRateAt(state.step, totalUpdates, stage);
    const update = state.optimizers['policy']!.update(grads, learningRate, stage);
    const [gradNorm, [loss]] = await Promise.all([update, sums.read()]);

    // 3. The row of metrics; a number that is none ends the run here.
    state.step++;
    yield metricsRow(name, state.step, {
      ...sampleFigures(assessed, beta),
      effective_samples: 1 / sum(weights.map((weight) => weight * weight)),
      loss: loss!,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      episode: state.step * count,
    });
  }
}
