// Online DPO (Guo et al. 2024): the policy writes two completions of each prompt, the reward says which is better, and
// the DPO loss learns from that fresh pair. A yield is one update: a batch of pairs sampled, scored, and learnt from
// once. As in TRL, of two equal scores the first counts as the better one, which on average teaches nothing.

import { tf } from '../engine/tf';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { dpoLoss } from './dpo';
import { accumulateGradients } from './optimizer';
import {
  completionLengths,
  pairBatches,
  pairLogprobs,
  pick,
  sideFigures,
  sideLogprobs,
  ToldSides,
} from './preference';
import { assessEpisodes, sampleEpisodes, sampleFigures, type SamplingContext } from './rollouts';
import { learningRateAt } from './schedule';
import { mean, metricsRow, ScalarSums, type TrainState } from './state';

export async function* onlineDpo(
  context: SamplingContext,
  stage: StageOf<'online_dpo'>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, name } = context;
  const policy = state.adapters['policy']!;
  const variables = [...policy.variables.values()];
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const totalUpdates = Math.ceil(stage.total_episodes / batchSize);
  const { max_new_tokens: newTokens, temperature, beta } = stage;
  while (state.step < totalUpdates) {
    const step = state.step;
    // 1. Two completions of the policy for each prompt, with log-probabilities and scores.
    const options = { count: batchSize, group: 2, newTokens, temperature };
    const episodes = await sampleEpisodes(context, policy, step, options);
    const assessed = await assessEpisodes(context, policy, episodes, stage);
    const { sequences, scores } = assessed;
    const figures = sampleFigures(assessed, beta);
    metricsRow(name, step + 1, figures); // Refuses a score that is no number before it is learnt from.

    // 2. The better one of each pair.
    const places = Array.from({ length: batchSize / 2 }, (_, pair) => {
      const [first, second] = [2 * pair, 2 * pair + 1];
      return scores[first]! >= scores[second]!
        ? { chosen: first, rejected: second }
        : { chosen: second, rejected: first };
    });
    const bySide = <T>(values: readonly T[]) => ({
      chosen: places.map(({ chosen }) => values[chosen]!),
      rejected: places.map(({ rejected }) => values[rejected]!),
    });
    const pairs = places.map(({ chosen, rejected }) => ({
      chosen: sequences[chosen]!,
      rejected: sequences[rejected]!,
    }));
    // Pair by pair, as the policy's are: where the two are one, so are these numbers to the bit.
    const reference = await pairLogprobs(model, context.reference, pairs, temperature);
    const lengths = completionLengths(pairs);
    const margins = bySide(scores);

    // 3. One update with the DPO loss, in micro-batches.
    const sums = new ScalarSums();
    const told = new ToldSides();
    let grads: tf.Tensor[] | null = null;
    for (const micro of pairBatches(pairs, model.config.context)) {
      const batchLoss = (): tf.Scalar => {
        const logps = sideLogprobs(model, policy, micro, temperature); // [P], [P]
        const settings = { ...stage, label_smoothing: 0 };
        const loss = tf.div<tf.Scalar>(
          dpoLoss(logps, pick(micro, reference), pick(micro, lengths), settings),
          pairs.length,
        );
        sums.add(loss);
        told.add(micro, logps);
        return loss;
      };
      grads = accumulateGradients(batchLoss, variables, grads);
    }
    const learningRate = learningRateAt(step, totalUpdates, stage);
    const [loss] = await sums.read();
    const logps = await told.read();
    const gradNorm = await state.optimizers['policy']!.update(grads ?? [], learningRate, stage);

    state.step = step + 1;
    yield metricsRow(name, state.step, {
      ...figures,
      'objective/scores_margin': mean(margins.chosen) - mean(margins.rejected),
      loss: loss!,
      ...sideFigures(
        [...pairs.keys()],
        logps,
        (side, row) => beta * (logps[side][row]! - reference[side][row]!),
      ),
      grad_norm: gradNorm,
      learning_rate: learningRate,
      episode: state.step * batchSize,
    });
  }
}
