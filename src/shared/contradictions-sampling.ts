// What cannot go together in the settings of the methods that learn from their own samples: a part of contradictions.ts.

import type { Problem, Reporter } from './contradictions';
import type { Stage } from './experiment';

export function samplingProblems(stage: Stage, report: Reporter): (Problem | null)[] {
  if (!('total_episodes' in stage) || stage.kind === 'ppo') return [];
  const batch = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const updates = Math.ceil(stage.total_episodes / batch);
  const group = 'num_generations' in stage ? stage.num_generations : stage.kind === 'online_dpo' ? 2 : 1;
  return [
    group === 1 && 'num_generations' in stage
      ? report(
          'error',
          'num_generations',
          'a completion is compared with the others of its prompt, and in a group of 1 there is no other.',
          'Set num_generations to at least 2; 8 is a good start for GRPO, 4 for RLOO and best of n.',
        )
      : null,
    batch % group === 0
      ? null
      : report(
          'error',
          'num_generations' in stage ? 'num_generations' : 'per_device_train_batch_size',
          `groups of ${group} completions do not divide the batch of ${batch}.`,
          `Set the batch to a multiple of ${group}, such as ${group * Math.max(1, Math.round(batch / group))}.`,
        ),
    stage.kind === 'grpo' && stage.loss_type === 'bnpo' && stage.per_device_train_batch_size % group !== 0
      ? report(
          'error',
          'loss_type',
          `bnpo counts tokens in each device batch, and ${stage.per_device_train_batch_size} holds no whole groups of ${group}.`,
          `Set per_device_train_batch_size to a multiple of ${group}, or loss_type to "dapo".`,
        )
      : null,
    stage.kind === 'reinforce' && stage.baseline === 'batch' && batch === 1
      ? report(
          'error',
          'baseline',
          'the baseline is the mean of the other completions, and a batch of 1 has no other.',
          'Set per_device_train_batch_size to at least 2, or baseline to "moving_average".',
        )
      : null,
    stage.total_episodes < batch
      ? report(
          'error',
          'total_episodes',
          `${stage.total_episodes} episodes are fewer than the batch of ${batch}: not one update.`,
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
    'epsilon_high' in stage && stage.epsilon_high !== null && stage.epsilon_high < stage.epsilon
      ? report(
          'warning',
          'epsilon_high',
          `clipping above at ${stage.epsilon_high} is tighter than below at ${stage.epsilon}: rare tokens can hardly grow.`,
          'Set epsilon_high to null, or above epsilon.',
        )
      : null,
    stage.kind === 'online_dpo' && stage.beta === 0
      ? report(
          'error',
          'beta',
          'with beta 0 the implicit reward is 0 whatever the policy does, and nothing can be learnt.',
          'Set beta above 0.',
        )
      : null,
    'beta' in stage && stage.kind !== 'online_dpo' && stage.beta === 0
      ? report(
          'warning',
          'beta',
          'with beta 0 nothing holds the policy near its reference, and it will exploit the reward.',
          'Use 0.05 unless that is what you want to see.',
        )
      : null,
  ];
}
