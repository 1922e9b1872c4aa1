// What cannot go together in the settings of the methods that learn from their own samples: a part of contradictions.ts.

import type { Problem, Reporter } from './contradictions';

interface Batched {
  per_device_train_batch_size: number;
  gradient_accumulation_steps: number;
}

interface Sampling extends Batched {
  total_episodes: number;
  warmup_steps: number;
}

export const batchOf = (stage: Batched): number =>
  stage.per_device_train_batch_size * stage.gradient_accumulation_steps;

export function batchText(stage: Batched): string {
  const { per_device_train_batch_size: rows, gradient_accumulation_steps: accumulated } = stage;
  return accumulated === 1
    ? `the batch of ${rows}`
    : `the batch of ${rows} × ${accumulated} = ${batchOf(stage)}`;
}

/** Of every stage that counts episodes. */
export function episodeProblems(stage: Sampling, report: Reporter): (Problem | null)[] {
  const batch = batchOf(stage);
  const updates = Math.ceil(stage.total_episodes / batch);
  return [
    stage.total_episodes < batch
      ? report(
          'error',
          'total_episodes',
          `${stage.total_episodes} episodes are fewer than ${batchText(stage)}: not one update.`,
          `Set total_episodes to at least ${batch}, or make the batch smaller.`,
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
  ];
}

/** Of every method that compares the completions of a prompt; the pairs stage has no batch. */
export function groupProblems(
  stage: { num_generations: number } | (Batched & { num_generations: number }),
  report: Reporter,
): (Problem | null)[] {
  const group = stage.num_generations;
  return [
    group === 1
      ? report(
          'error',
          'num_generations',
          'a completion is compared with the others of its prompt, and in a group of 1 there is no other.',
          'Set num_generations to at least 2; 8 is a good start for GRPO, 4 for RLOO, best of n and pairs.',
        )
      : null,
    'per_device_train_batch_size' in stage ? wholeGroups(stage, group, 'num_generations', report) : null,
  ];
}

export function wholeGroups(stage: Batched, group: number, key: string, report: Reporter): Problem | null {
  const batch = batchOf(stage);
  return batch % group === 0
    ? null
    : report(
        'error',
        key,
        `groups of ${group} completions do not divide ${batchText(stage)}.`,
        `Set the batch to a multiple of ${group}, such as ${group * Math.max(1, Math.round(batch / group))}.`,
      );
}

/** Of methods whose β prices the KL. */
export function unleashed(beta: number, report: Reporter): Problem | null {
  return beta === 0
    ? report(
        'warning',
        'beta',
        'with beta 0 nothing holds the policy near its reference, and it will exploit the reward.',
        'Use 0.05 unless that is what you want to see.',
      )
    : null;
}
