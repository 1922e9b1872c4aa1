// The rows of the settings table (settings.ts) of the methods that learn from their own samples by groups or by a
// baseline, without a critic.

import type { Row } from './setting';

export const SAMPLING_SETTINGS = {
  max_completion_length: {
    label: 'Longest completion',
    doc: 'Tokens after which a sampled completion is cut off if it has not ended by itself.',
    type: 'integer',
    range: { min: 1, max: 4096, scale: 'log' },
  },
  num_generations: {
    label: 'Completions a prompt',
    doc: 'Completions of each prompt, compared with each other; where there is a batch it must divide that.',
    type: 'integer',
    range: { min: 1, max: 1024, scale: 'log' },
  },
  num_iterations: {
    label: 'Epochs an update',
    doc: 'How often each batch of completions is learnt from; clipping acts from the second time on.',
    type: 'integer',
    range: { min: 1, max: 64 },
  },
  epsilon: {
    label: 'Clipping below',
    doc: 'How far a probability ratio may fall below 1 before an update stops gaining by it.',
    type: 'number',
    range: { above: 0, below: 1 },
    advanced: true,
    now: true,
  },
  epsilon_high: {
    label: 'Clipping above',
    doc: 'The same above 1 where it is to differ: a little more room lets rare tokens grow (DAPO uses 0.28).',
    type: 'number',
    range: { above: 0, max: 100, scale: 'log' },
    advanced: true,
    now: true,
    nullable: true,
  },
  scale_rewards: {
    label: 'Scale advantages by',
    doc: 'Divides advantages by the deviation of scores within the group, over the batch, or not at all.',
    type: 'choice',
    choices: ['group', 'batch', 'none'],
  },
  importance_sampling_level: {
    label: 'Ratios for each',
    doc: 'Probability ratios are taken and clipped for each token, or for the whole sequence (GSPO).',
    type: 'choice',
    choices: ['token', 'sequence'],
    advanced: true,
  },
  normalize_advantages: {
    label: 'Whiten advantages',
    doc: 'Brings the advantages of a batch to mean 0 and deviation 1.',
    type: 'boolean',
    advanced: true,
  },
  baseline: {
    label: 'Baseline',
    doc: 'What rewards are compared with: nothing, the other completions of the batch, or a running mean.',
    type: 'choice',
    choices: ['none', 'batch', 'moving_average'],
  },
  sample_from: {
    label: 'Sample from',
    doc: 'Who writes the candidates: the reference, which distils best-of-n, or the policy itself, which goes on.',
    type: 'choice',
    choices: ['reference', 'policy'],
  },
} as const satisfies Record<string, Row>;
