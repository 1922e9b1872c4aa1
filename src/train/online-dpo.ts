// Online DPO (Guo et al. 2024): the policy writes two completions of each prompt, the reward says which is better, and
// the DPO loss learns from that fresh pair. A yield is one update: a batch of pairs sampled, scored, and learnt from
// once. As in TRL, of two equal scores the first counts as the better one, which on average teaches nothing.

import { tf } from '../engine/tf';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { dpoLoss } from './dpo';
import { gradientsOver } from './optimizer';
import {
  completionLengths,
  pairBatches,
  pairLogprobs,
  pick,
  seePairs,
  sideFigures,
  type Sides,
  sidesOf,
  tellSides,
} from './preference';
import { objectiveFigures, sampleEpisodes, type SamplingContext, scoreEpisodes } from './rollouts';
import { learningRateAt } from './schedule';
import { mean, metricsRow, ScalarSums, ToldRows, type TrainState } from './state';

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
  const { max_new_tokens: newTokens, temperature, beta, per_device_train_batch_size } = stage;
  // Completions count towards a batch; a pair is two.
  const most = Math.max(1, Math.floor(per_device_train_batch_size / 2));
  while (state.step < totalUpdates) {
    const step = state.step;
    // 1. Two completions of the policy for each prompt, with their scores.
    const options = { count: batchSize, group: 2, newTokens, temperature };
    const episodes = await sampleEpisodes(context, policy, step, options);
    const scored = await scoreEpisodes(context, episodes, stage);
    const { sequences, scores, finished } = scored;
    metricsRow(name, step + 1, { 'objective/scores': mean(scores) }); // Refuses a score that is no number.

    // 2. The better one of each pair, and what the reference makes of both.
    const places = Array.from({ length: batchSize / 2 }, (_, pair) => {
      const [first, second] = [2 * pair, 2 * pair + 1];
      return scores[first]! >= scores[second]!
        ? { chosen: first, rejected: second }
        : { chosen: second, rejected: first };
    });
    const pairs = places.map(({ chosen, rejected }) => ({
      chosen: sequences[chosen]!,
      rejected: sequences[rejected]!,
    }));
    const reference = await pairLogprobs(model, context.reference, pairs, { temperature, most });
    const lengths = completionLengths(pairs);

    // 3. One update with the DPO loss, in micro-batches.
    const sums = new ScalarSums();
    const told = new ToldRows();
    const batches = pairBatches(pairs, model.config.context, pairs.keys(), most);
    const settings = { ...stage, label_smoothing: 0 };
    const grads = gradientsOver(batches, variables, (micro) => {
      const { logps } = seePairs(model, policy, micro, temperature); // [P], [P]
      const losses = dpoLoss(logps, pick(micro, reference), pick(micro, lengths), settings);
      const loss = tf.div<tf.Scalar>(losses, pairs.length);
      sums.add(loss);
      tellSides(told, micro, logps);
      return loss;
    });
    const learningRate = learningRateAt(step, totalUpdates, stage);
    const update = state.optimizers['policy']!.update(grads, learningRate, stage);
    const [gradNorm, [loss], columns] = await Promise.all([update, sums.read(), told.read()]);
    const logps = sidesOf(columns);

    state.step = step + 1;
    const ratio = (side: keyof Sides, row: number): number => logps[side][row]! - reference[side][row]!;
    const all = (of: (side: keyof Sides, row: number) => number): number[] =>
      pairs.flatMap((_, row) => [of('chosen', row), of('rejected', row)]);
    const own = { logps: all((side, row) => logps[side][row]!), kl: all(ratio) };
    const margins = places.map(({ chosen, rejected }) => scores[chosen]! - scores[rejected]!);
    yield metricsRow(name, state.step, {
      ...objectiveFigures(scored, own, beta),
      'objective/scores_margin': mean(margins),
      'val/contain_eos_token': mean(finished.map(Number)),
      loss: loss!,
      ...sideFigures([...pairs.keys()], logps, (side, row) => beta * ratio(side, row)),
      beta,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      episode: state.step * batchSize,
    });
  }
}
