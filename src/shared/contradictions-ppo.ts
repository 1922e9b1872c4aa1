// What cannot go together in PPO's settings: a part of contradictions.ts.

import type { Problem, Reporter } from './contradictions';
import type { Stage } from './experiment';

export function ppoProblems(stage: Stage, report: Reporter): (Problem | null)[] {
  if (stage.kind !== 'ppo') return [];
  const rows = stage.per_device_train_batch_size;
  const accumulated = stage.gradient_accumulation_steps;
  const batch = rows * accumulated;
  const batchText =
    accumulated === 1 ? `the batch of ${batch}` : `the batch of ${rows} × ${accumulated} = ${batch}`;
  const minibatch = batch / stage.num_mini_batches;
  const updates = Math.ceil(stage.total_episodes / batch);
  const divides = Number.isInteger(minibatch);
  return [
    divides
      ? null
      : report(
          'error',
          'num_mini_batches',
          `${stage.num_mini_batches} minibatches do not divide ${batchText}.`,
          `Set num_mini_batches to one of ${divisors(batch).join(', ')}, or change the batch size.`,
        ),
    stage.total_episodes < batch
      ? report(
          'error',
          'total_episodes',
          `${stage.total_episodes} episodes are fewer than ${batchText}: not one update.`,
          `Set total_episodes to at least ${batch}, or make the batch smaller.`,
        )
      : null,
    stage.whiten_rewards && divides && minibatch < 8
      ? report(
          'error',
          'whiten_rewards',
          `whitening over a minibatch of ${minibatch} is noise; it needs at least 8.`,
          'Set whiten_rewards to false, lower num_mini_batches, or raise the batch size.',
        )
      : null,
    stage.warmup_steps > updates
      ? report(
          'error',
          'warmup_steps',
          `a warm-up of ${stage.warmup_steps} updates does not fit into ${updates} (total_episodes / batch).`,
          'Lower warmup_steps or raise total_episodes.',
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
