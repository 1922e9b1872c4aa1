// The row of reward-weighted regression in the list of methods.

import { chart, SCORE_CHARTS } from '../../src/shared/charts';
import { method, PROMPTS, SAMPLES } from '../../src/shared/method';
import type { MetricRow } from '../../src/shared/metrics';
import { SAMPLED } from '../../src/shared/metrics-ppo';
import { SAMPLING_METRICS } from '../../src/shared/metrics-sampling';
import { GRADIENT, RATE, WRITING } from '../../src/shared/metrics-training';

/** What it logs that no other method does. */
const EFFECTIVE: MetricRow = {
  name: 'effective_samples',
  label: 'Effective samples',
  unit: '',
  tells: 'How many completions of a batch are imitated in effect: all weigh alike, or one weighs all.',
  healthy: { min: 2 },
  bad: 'Near 1: one completion of each batch is learnt from, and the rest is thrown away.',
  try: ['beta', 'per_device_train_batch_size'],
  trl: 'ours',
};

export const RWR = method({
  label: 'RWR',
  purpose: 'Every ending is imitated, the better ones more.',
  about: 'One paragraph for a learner: how it works and what sets it apart.',
  code: 'src/train/rwr.ts',
  trl: null,
  leaves: 'policy',
  holdsReference: true,
  needs: [PROMPTS],
  settings: { ...SAMPLES, learning_rate: [1e-3], beta: [0.2], max_completion_length: [40] },
  metrics: [...SAMPLED, ...SAMPLING_METRICS, ...WRITING, ...RATE, ...GRADIENT, EFFECTIVE],
  charts: [
    ...SCORE_CHARTS,
    chart('Effective samples', { key: 'effective_samples', label: 'of a batch', role: 'policy' }),
  ],
  headline: { metric: 'objective/scores', shows: 'change' },
  equations: () => [
    {
      says: 'Each completion is imitated, weighed by e to its score',
      formula: 'L = - ∑_i w_i log π(y_i) ", " w_i = \\frac{e^{r_i / β}}{∑_j e^{r_j / β}}',
      numbers: 'L = «loss» ", " β = «beta»',
    },
  ],
  problems: ({ beta }, report) => [
    beta === 0 ? report('error', 'beta', 'scores are divided by beta.', 'Set beta above 0.') : null,
  ],
});
