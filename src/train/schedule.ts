// Learning rates by step, as transformers' get_{constant,linear,cosine}_schedule_with_warmup define them: the
// rate of the first step of a warm-up is 0, and the step after the last one would be 0.

import type { OptimizerSettings } from '../shared/experiment';

/** The learning rate of step `step` (0-based) out of `totalSteps`. */
export function learningRateAt(
  step: number,
  totalSteps: number,
  settings: Pick<OptimizerSettings, 'learning_rate' | 'lr_scheduler_type' | 'warmup_steps'>,
): number {
  const { learning_rate, lr_scheduler_type, warmup_steps } = settings;
  if (step < warmup_steps) return learning_rate * (step / Math.max(1, warmup_steps));
  const progress = (step - warmup_steps) / Math.max(1, totalSteps - warmup_steps);
  switch (lr_scheduler_type) {
    case 'constant':
      return learning_rate;
    case 'linear':
      return learning_rate * Math.max(0, 1 - progress);
    case 'cosine':
      return learning_rate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}
