// The ways in which methods without a critic are known to fail, seen in the metrics they log: a part of health.ts.

import { advise } from './advice';
import type { Check } from './health';
import { methodNamed } from './methods';
import { metricOf } from './metrics';

/** In a group of equals every advantage is 0. */
const groupsAlike: Check = (history, stage) => {
  const shares = history('frac_reward_zero_std').slice(-3);
  if (shares.length < 3 || shares.some((share) => share < 0.95)) return null;
  return {
    level: 'warning',
    metric: 'frac_reward_zero_std',
    message:
      'In nearly every group all completions score the same, so that none is better than another: nothing is learnt from them.',
    try: advise(
      stage,
      'raise num_generations',
      'raise temperature',
      'use a reward that tells completions of one prompt apart',
    ),
  };
};

/** Only the gap is trained: both sides may fall, and something that is in no pair rises. */
const chosenFalling: Check = (history, stage) => {
  const values = history('logps/chosen');
  const margins = history('rewards/margins');
  if (values.length < 12 || margins.length < 12) return null;
  const [began, now] = [mean(values.slice(0, 4)), mean(values.slice(-4))];
  if (now > began - Math.max(3, 0.2 * Math.abs(began))) return null;
  if (mean(margins.slice(-4)) <= mean(margins.slice(0, 4))) return null;
  const imitation = ['set rpo_alpha', 'raise cpo_alpha', 'lower undesirable_weight'];
  if (methodNamed(stage)?.betaDrives) imitation.push('lower beta');
  return {
    level: 'warning',
    metric: 'logps/chosen',
    message: `The chosen completions became less likely (log-probability ${show(began)} → ${show(now)}) while the margin grew: only the gap is trained, and the probability goes to text that is in no pair.`,
    try: `It is common; read the samples. ${advise(stage, ...imitation, 'lower learning_rate')}`,
  };
};

/** By the share of pairs in the right order; of good and bad completions without pairs, by how far they lie apart. */
const guessing: Check = (history, stage) => {
  const accuracies = history('rewards/accuracies');
  const margins = history('rewards/margins');
  const [metric, values] =
    accuracies.length > 0 ? ['rewards/accuracies', accuracies] : ['rewards/margins', margins];
  if (values.length < 30) return null;
  const recent = mean(values.slice(-15));
  if (accuracies.length > 0 ? Math.abs(recent - 0.5) > 0.05 : recent > 0) return null;
  const seen =
    accuracies.length > 0
      ? `the policy prefers the chosen completion in ${percent(recent)} of pairs`
      : 'good completions have gained no more than bad ones';
  return {
    level: 'info',
    metric,
    message: `After ${values.length} steps ${seen}: it is guessing.`,
    try: advise(
      stage,
      'raise learning_rate',
      'raise max_steps',
      'check that the labels follow from what the completions say',
    ),
  };
};

/** Of PPO, and of the methods that clip without a critic. */
const clippedMuch: Check = (history, stage) => {
  const metric = ['policy/clipfrac_avg', 'clip_ratio/region_mean'].find((name) => history(name).length > 0);
  if (metric === undefined) return null;
  const shares = history(metric).slice(-3);
  const most = metricOf(stage, metric)?.healthy?.max;
  if (shares.length < 3 || most === undefined || shares.some((share) => share <= most)) return null;
  return {
    level: 'warning',
    metric,
    message: `${percent(mean(shares))} of the probability ratios are clipped: updates are too drastic, and much of each batch is wasted.`,
    try: advise(stage, 'lower learning_rate', 'lower num_ppo_epochs', 'lower num_iterations'),
  };
};

/** Where rewards lie far from what they are compared with, nearly all completions are pushed the same way. */
const baselineFar: Check = (history, stage) => {
  const [baselines, rewards, spreads] = [
    history('baseline').slice(-5),
    history('objective/rlhf_reward').slice(-5),
    history('objective/scores_std').slice(-5),
  ];
  if (baselines.length < 5 || rewards.length < 5 || spreads.length < 5) return null;
  const far = baselines.filter((baseline, i) => Math.abs(rewards[i]! - baseline) > 2 * spreads[i]!);
  if (far.length < 5) return null;
  return {
    level: 'info',
    metric: 'baseline',
    message: `Rewards of about ${show(mean(rewards))} are compared with ${show(mean(baselines))}, which is far beyond their spread: nearly every completion is pushed the same way, whether it is better or not.`,
    try: advise(stage, 'set baseline to "batch"'),
  };
};

/** Picking teaches nothing where the best is hardly better than the rest. */
const bestHardlyBetter: Check = (history, stage) => {
  const best = history('objective/scores_best').slice(-5);
  const all = history('objective/scores').slice(-5);
  const spreads = history('objective/scores_std').slice(-5);
  if (best.length < 5 || all.length < 5 || spreads.length < 5) return null;
  const gained = mean(best) - mean(all);
  if (mean(spreads) < 0.01 || gained > 0.3 * mean(spreads)) return null;
  return {
    level: 'info',
    metric: 'objective/scores_best',
    message: `The best of a group scores ${show(gained)} above the rest, little beside the spread of ${show(mean(spreads))}: what is imitated is hardly better than what was there.`,
    try: advise(stage, 'raise num_generations', 'raise temperature'),
  };
};

/** No gradient at all while the rate is above 0; groups of equals have their own notice. */
const gradientZero: Check = (history, stage) => {
  const norms = history('grad_norm').slice(-3);
  const rates = history('learning_rate').slice(-3);
  const alike = history('frac_reward_zero_std').slice(-3);
  if (norms.length < 3 || rates.length < 3 || norms.some((norm) => norm !== 0)) return null;
  if (rates.some((rate) => rate === 0) || alike.some((share) => share > 0.95)) return null;
  return {
    level: 'error',
    metric: 'grad_norm',
    message: 'The gradient is exactly 0: updates do not reach the weights.',
    try: `${advise(stage, 'check that beta is above 0', 'check that the rows differ')} Otherwise this is a fault of the playground: please report it.`,
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
    try: advise(stage, 'raise temperature', 'use a reward that tells completions of one prompt apart'),
  };
};

export const METHOD_CHECKS: readonly Check[] = [
  groupsAlike,
  pairsAlike,
  chosenFalling,
  guessing,
  clippedMuch,
  baselineFar,
  bestHardlyBetter,
  gradientZero,
];

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const show = (value: number): string => String(Number(value.toPrecision(3)));

const percent = (share: number): string => `${Math.round(100 * share)} %`;
