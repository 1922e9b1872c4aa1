// Charts that several methods have in common, and how one is written down in a method's row.

import type { ChartPlan, Role, SeriesPlan } from './method';

export const chart = (title: string, ...series: SeriesPlan[]): ChartPlan => ({ title, series });

/** A metric in training and, dashed, on rows held out. */
export const heldOutToo = (title: string, key: string, role: Role): ChartPlan =>
  chart(
    title,
    { key, label: 'training', role },
    { key: `eval_${key}`, label: 'held out', role: 'reference', dashed: true },
  );

/** The two sides of a pair. */
export const sides = (title: string, key: string, role: Role): ChartPlan =>
  chart(
    title,
    { key: `${key}/chosen`, label: 'chosen', role },
    { key: `${key}/rejected`, label: 'rejected', role: 'reference', dashed: true },
  );

export const GRADIENT_CHART = chart('Gradient norm', { key: 'grad_norm', label: 'norm', role: 'policy' });
export const RATE_CHART = chart('Learning rate', { key: 'learning_rate', label: 'rate', role: 'reference' });
export const ENTROPY_CHART = chart('Entropy', { key: 'entropy', label: 'nats a token', role: 'policy' });
export const FINISHED_CHART = chart('Finished endings', {
  key: 'finish_rate',
  label: 'of all',
  role: 'policy',
});
export const LENGTH_CHART = chart('Length', { key: 'mean_length', label: 'tokens', role: 'policy' });

/** What every method is after that learns from its own samples, and what it pays. */
export const SCORE_CHARTS = [
  chart('Reward', { key: 'objective/scores', label: 'score', role: 'reward' }),
  chart('KL to the reference', { key: 'objective/kl', label: 'nats', role: 'kl' }),
];
