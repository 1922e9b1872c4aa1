// What cannot go together in PPO's settings: a part of contradictions.ts.

import type { Problem, Reporter } from './contradictions';
import { batchOf, batchText } from './contradictions-sampling';
import type { PpoFields } from './methods-ppo';

export function ppoProblems(stage: PpoFields, report: Reporter): (Problem | null)[] {
  const batch = batchOf(stage);
  const minibatch = batch / stage.num_mini_batches;
  const divides = Number.isInteger(minibatch);
  return [
    divides
      ? null
      : report(
          'error',
          'num_mini_batches',
          `${stage.num_mini_batches} minibatches do not divide ${batchText(stage)}.`,
          `Set num_mini_batches to one of ${divisors(batch).join(', ')}, or change the batch size.`,
        ),
    stage.whiten_rewards && divides && minibatch < 8
      ? report(
          'error',
          'whiten_rewards',
          `whitening over a minibatch of ${minibatch} is noise; it needs at least 8.`,
          'Set whiten_rewards to false, lower num_mini_batches, or raise the batch size.',
        )
      : null,
    stage.missing_eos_trick === 'replace' && stage.missing_eos_penalty === null
      ? report(
          'error',
          'missing_eos_trick',
          'the score of an unfinished completion is to be replaced, and missing_eos_penalty does not say by what.',
          'Set missing_eos_penalty, such as 1 for a score of −1, or missing_eos_trick to "subtract".',
        )
      : null,
    stage.use_score_norm && !stage.use_score_scaling
      ? report(
          'error',
          'use_score_norm',
          'scores are centred where they are scaled, and use_score_scaling is off.',
          'Set use_score_scaling to true, or use_score_norm to false.',
        )
      : null,
    stage.kl_target !== null && stage.kl_coef === 0
      ? report(
          'error',
          'kl_target',
          'the controller multiplies kl_coef, and 0 stays 0 whatever it is multiplied by.',
          'Start kl_coef above 0, or set kl_target to null.',
        )
      : null,
    stage.use_score_scaling && batch === 1
      ? report(
          'error',
          'use_score_scaling',
          'scores are scaled by their deviation, and a first batch of 1 has none.',
          'Set use_score_scaling to false, or per_device_train_batch_size to at least 2.',
        )
      : null,
    // The factor is 1 − 0.2 · batch / horizon at the least: at 0 or below it the price is gone, or a reward.
    stage.kl_target !== null && stage.kl_horizon <= 0.2 * batch
      ? report(
          'error',
          'kl_horizon',
          `with a horizon of ${stage.kl_horizon} episodes one update of ${batch} can take all of kl_coef away, or turn its sign.`,
          `Set kl_horizon above ${0.2 * batch}, a fifth of the batch; 10000 is the usual one.`,
        )
      : null,
    stage.kl_estimator === 'k3'
      ? report(
          'warning',
          'kl_estimator',
          'k3 inside the reward is biased: PPO then ends at another policy than the one the objective asks for.',
          'Use "k1" unless that is what you want to see.',
        )
      : null,
    stage.kl_coef === 0
      ? report(
          'warning',
          'kl_coef',
          'with kl_coef 0 nothing holds the policy near its reference, and it will exploit the reward.',
          'Use 0.05 unless that is what you want to see.',
        )
      : null,
  ];
}

function divisors(n: number): number[] {
  return Array.from({ length: Math.min(n, 4096) }, (_, i) => i + 1)
    .filter((d) => n % d === 0)
    .slice(0, 12);
}
