// Rejection-sampling fine-tuning: of n completions of each prompt the one that scores best is imitated, as if it were a
// demonstration. From the reference it distils best-of-n, whose distribution is known (shared/optimum.ts); from the
// policy itself (RAFT, Dong et al. 2023) it goes on from there. A yield is one update: a batch of groups sampled,
// scored, and their best learnt from once.

import { microBatches } from '../data/micro-batches';
import { tf } from '../engine/tf';
import { completionLogprobs } from '../model/logprobs';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { sftLoss } from './losses';
import { gradientsOver } from './optimizer';
import {
  assessEpisodes,
  groupFigures,
  groupsOf,
  movedFigures,
  sampleEpisodes,
  type SamplingContext,
  scoreFigures,
} from './rollouts';
import { learningRateAt } from './schedule';
import { mean, metricsRow, ScalarSums, sum, type TrainState } from './state';

/** The place of the best score of each group, the first of equals. */
export const bestOfGroups = (scores: readonly number[], group: number): number[] =>
  groupsOf(scores, group).map((some, g) => g * group + some.indexOf(Math.max(...some)));

export async function* rft(
  context: SamplingContext,
  stage: StageOf<'rft'>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, name, reference } = context;
  const policy = state.adapters['policy']!;
  const variables = [...policy.variables.values()];
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const totalUpdates = Math.ceil(stage.total_episodes / batchSize);
  const { num_generations: group, max_new_tokens: newTokens, temperature } = stage;
  while (state.step < totalUpdates) {
    const step = state.step;
    // 1. Groups of completions, and what they score.
    const options = { count: batchSize, group, newTokens, temperature };
    const writer = stage.sample_from === 'reference' ? reference : policy;
    const episodes = await sampleEpisodes(context, writer, step, options);
    const assessed = await assessEpisodes(context, writer, episodes, stage);
    const { sequences, scores } = assessed;
    const figures = {
      // What the reference writes tells nothing of how far the policy is from it.
      ...(writer === policy && movedFigures(assessed)),
      ...scoreFigures(assessed),
      ...groupFigures(scores, group),
    };
    metricsRow(name, step + 1, figures); // Refuses a score that is no number before it is learnt from.

    // 2. The best of each group is imitated: one update, in micro-batches.
    const best = bestOfGroups(scores, group);
    const tokens = sum(best.map((row) => assessed.oldLogprobs[row]!.length));
    const sums = new ScalarSums();
    const most = stage.per_device_train_batch_size;
    const batches = microBatches(sequences, model.config.context, best, most);
    const grads = gradientsOver(batches, variables, (micro) => {
      const { logprobs, entropy } = completionLogprobs(model, policy, micro.batch, { temperature }); // [B, T]
      const loss = sftLoss(logprobs, tokens);
      sums.add(loss, tf.sum(entropy));
      return loss;
    });
    const learningRate = learningRateAt(step, totalUpdates, stage);
    const update = state.optimizers['policy']!.update(grads, learningRate, stage);
    const [gradNorm, [loss, entropy]] = await Promise.all([update, sums.read()]);

    state.step = step + 1;
    yield metricsRow(name, state.step, {
      ...figures,
      'objective/scores_best': mean(best.map((row) => scores[row]!)),
      loss: loss!,
      entropy: entropy! / tokens,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      episode: state.step * batchSize,
    });
  }
}
