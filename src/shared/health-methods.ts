// The ways in which single methods are known to fail: a part of health.ts.

import type { Check } from './health';
import { metricOf } from './metrics';

/** In a group of equals every advantage is 0. */
const groupsAlike: Check = (history) => {
  const shares = history('frac_reward_zero_std').slice(-3);
  if (shares.length < 3 || shares.some((share) => share < 0.95)) return null;
  return {
    level: 'warning',
    metric: 'frac_reward_zero_std',
    message:
      'In nearly every group all completions score the same, so that none is better than another: nothing is learnt from them.',
    try: 'Raise num_generations or temperature, or use a reward that tells completions of one prompt apart.',
  };
};

/** Only the gap is trained: both sides may fall, and something that is in no pair rises. */
const chosenFalling: Check = (history) => {
  const values = history('logps/chosen');
  const margins = history('rewards/margins');
  if (values.length < 12 || margins.length < 12) return null;
  const [began, now] = [mean(values.slice(0, 4)), mean(values.slice(-4))];
  if (now > began - Math.max(3, 0.2 * Math.abs(began))) return null;
  if (mean(margins.slice(-4)) <= mean(margins.slice(0, 4))) return null;
  return {
    level: 'warning',
    metric: 'logps/chosen',
    message: `The chosen completions became less likely (log-probability ${show(began)} → ${show(now)}) while the margin grew: only the gap is trained, and the probability goes to text that is in no pair.`,
    try: 'It is common; read the samples. Set rpo_alpha (DPO) or cpo_alpha (SimPO), raise beta, or lower learning_rate.',
  };
};

const marginFlat: Check = (history) => {
  const accuracies = history('rewards/accuracies');
  if (accuracies.length < 30) return null;
  const recent = mean(accuracies.slice(-15));
  if (Math.abs(recent - 0.5) > 0.05) return null;
  return {
    level: 'info',
    metric: 'rewards/accuracies',
    message: `After ${accuracies.length} steps the policy prefers the chosen completion in ${Math.round(100 * recent)} % of pairs: it is guessing.`,
    try: 'Raise learning_rate, or check that the labels follow from what the completions say.',
  };
};

/** KTO's point of comparison is clamped at 0 when mismatched completions got less likely. */
const ktoKlZero: Check = (history, stage) => {
  if (!stage.startsWith('kto')) return null;
  const values = history('kl');
  const rewards = history('rewards/rejected').slice(-10);
  if (values.length < 12 || values.slice(-10).some((value) => value > 0)) return null;
  if (rewards.every((value) => value === 0)) return null;
  return {
    level: 'info',
    metric: 'kl',
    message:
      'KTO’s KL has stayed at 0: completions got less likely even under prompts they do not belong to, so gain and loss are measured from the reference itself.',
    try: 'Lower learning_rate or undesirable_weight if good completions lose as well; a larger batch measures it better.',
  };
};

/** No gradient at all while the rate is above 0; groups of equals have their own notice. */
const gradientZero: Check = (history) => {
  const norms = history('grad_norm').slice(-3);
  const rates = history('learning_rate').slice(-3);
  const alike = history('frac_reward_zero_std').slice(-3);
  if (norms.length < 3 || rates.length < 3 || norms.some((norm) => norm !== 0)) return null;
  if (rates.some((rate) => rate === 0) || alike.some((share) => share > 0.95)) return null;
  return {
    level: 'error',
    metric: 'grad_norm',
    message: 'The gradient is exactly 0: updates do not reach the weights.',
    try: 'Check that the rows differ and beta is above 0; otherwise this is a fault of the playground: please report it.',
  };
};

/** A margin that is nothing against what a coin toss would give. */
const pairsAlike: Check = (history, stage) => {
  const margins = history('objective/scores_margin').slice(-3);
  const least = metricOf(stage, 'objective/scores_std')?.healthy?.min;
  if (margins.length < 3 || least === undefined || margins.some((margin) => margin > least)) return null;
  return {
    level: 'warning',
    metric: 'objective/scores_margin',
    message: 'The two completions of a pair score alike: which one is called better is chance.',
    try: 'Raise temperature, or use a reward that tells completions of one prompt apart.',
  };
};

export const METHOD_CHECKS: readonly Check[] = [
  groupsAlike,
  pairsAlike,
  chosenFalling,
  marginFlat,
  ktoKlZero,
  gradientZero,
];

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const show = (value: number): string => String(Number(value.toPrecision(3)));
