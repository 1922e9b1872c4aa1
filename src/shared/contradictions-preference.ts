// What cannot go together in the settings of the methods that learn from pairs or labels: a part of contradictions.ts.

import type { Problem, Reporter } from './contradictions';
import type { Stage } from './experiment';

export function preferenceProblems(stage: Stage, report: Reporter): (Problem | null)[] {
  switch (stage.kind) {
    case 'dpo':
      return [
        withoutBeta(stage, report),
        stage.label_smoothing > 0 && (stage.loss_type === 'hinge' || stage.loss_type === 'ipo')
          ? report(
              'error',
              'label_smoothing',
              `the ${stage.loss_type} loss has no place for label smoothing.`,
              'Set label_smoothing to 0, or loss_type to "sigmoid" or "robust".',
            )
          : null,
        stage.label_smoothing === 0 && stage.loss_type === 'robust'
          ? report(
              'warning',
              'label_smoothing',
              'without label_smoothing the robust loss is the sigmoid one: it takes every label to be right.',
              'Set label_smoothing to the share of labels you take to be wrong, such as 0.1.',
            )
          : null,
      ];
    case 'kto': {
      const batch = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
      return [
        withoutBeta(stage, report),
        batch === 1
          ? report(
              'error',
              'per_device_train_batch_size',
              'KTO measures KL by giving each prompt the completion of another row, and a batch of 1 has no other.',
              'Set per_device_train_batch_size to at least 2; 16 is a good start.',
            )
          : null,
        stage.desirable_weight === 0 && stage.undesirable_weight === 0
          ? report(
              'error',
              'desirable_weight',
              'both weights are 0, so that no row counts.',
              'Set desirable_weight or undesirable_weight above 0.',
            )
          : null,
      ];
    }
    case 'simpo':
      return [withoutBeta(stage, report)];
    case 'orpo':
      return [
        stage.beta === 0
          ? report(
              'warning',
              'beta',
              'with beta 0 ORPO imitates the chosen completions and never looks at the rejected ones.',
              'Use 0.1 unless that is what you want to see.',
            )
          : null,
      ];
    default:
      return [];
  }
}

function withoutBeta(stage: Stage & { beta: number }, report: Reporter): Problem | null {
  return stage.beta === 0
    ? report(
        'error',
        'beta',
        'with beta 0 the implicit reward is 0 whatever the policy does, and nothing can be learnt.',
        'Set beta above 0.',
      )
    : null;
}
