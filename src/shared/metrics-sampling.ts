// The rows of the metrics table (metrics.ts) that methods log which learn from their own samples without a critic, beside
// what they share with PPO. Definitions: TRL 1.10-dev, trl/trainer/grpo_trainer.py, rloo_trainer.py and
// trl/experimental/online_dpo.

import type { MetricRow } from './metrics';

export const SAMPLING_METRICS: readonly MetricRow[] = [
  {
    name: 'loss',
    label: 'Loss',
    unit: '',
    tells:
      'What one update minimises. With GRPO, RLOO and REINFORCE it hovers around 0: it is no measure of progress.',
    bad: 'Online DPO stuck at 0.693, or imitation that does not fall: the rate is too low.',
    try: ['learning_rate', 'total_episodes'],
    trl: 'same',
  },
];

/** Of groups of completions of one prompt. */
export const GROUPS: readonly MetricRow[] = [
  {
    name: 'frac_reward_zero_std',
    label: 'Groups without signal',
    unit: 'share',
    tells: 'Share of the groups in which all completions score exactly the same.',
    healthy: { max: 0.8 },
    bad: 'Near 1: nothing is learnt but, where KL has a price, the way back to the reference.',
    try: ['num_generations', 'temperature', 'reward'],
    trl: 'same',
  },
];

/** As TRL logs of both methods that clip without a critic. */
export const CLIPPED: readonly MetricRow[] = [
  {
    name: 'kl',
    label: 'KL a token',
    unit: 'nats a token',
    tells:
      'KL to the reference a token: GRPO’s by k3, which is never negative and part of its loss, RLOO’s by k1.',
    bad: 'Soaring: the policy runs away from its reference.',
    try: ['beta', 'learning_rate'],
    trl: 'TRL’s GRPO logs it only where beta is above 0.',
  },
  {
    name: 'clip_ratio/low_mean',
    label: 'Clipped below',
    unit: 'share',
    tells: 'Share of ratios that fell so far that clipping cut their gradient off; 0 with one iteration.',
    healthy: { max: 0.3 },
    bad: 'High: updates are too drastic.',
    try: ['learning_rate', 'num_iterations', 'epsilon'],
    trl: 'same',
  },
  {
    name: 'clip_ratio/high_mean',
    label: 'Clipped above',
    unit: 'share',
    tells: 'Share of ratios that rose so far that clipping cut their gradient off; 0 with one iteration.',
    healthy: { max: 0.3 },
    bad: 'High: updates are too drastic.',
    try: ['learning_rate', 'num_iterations', 'epsilon'],
    trl: 'same',
  },
  {
    name: 'clip_ratio/low_min',
    label: 'Clipped below, least',
    unit: 'share',
    tells: 'The smallest share that is clipped from below in any one completion; of whole ratios 0 or 1.',
    bad: 'Above 0: not one completion is left as it was.',
    try: ['learning_rate', 'num_iterations', 'epsilon'],
    trl: 'Over the batch; TRL’s is over each device’s part of it.',
  },
  {
    name: 'clip_ratio/high_max',
    label: 'Clipped above, most',
    unit: 'share',
    tells: 'The largest share that is clipped from above in any one completion; of whole ratios 0 or 1.',
    healthy: { max: 0.5 },
    bad: 'High: single completions are pushed far out of reach of what they were sampled from.',
    try: ['learning_rate', 'num_iterations', 'epsilon'],
    trl: 'Over the batch; TRL’s is over each device’s part of it.',
  },
  {
    name: 'clip_ratio/region_mean',
    label: 'Clipped',
    unit: 'share',
    tells: 'Share of ratios that clipping cut off, both ways together.',
    healthy: { max: 0.3 },
    bad: 'High: updates are too drastic, and much of each batch is wasted.',
    try: ['learning_rate', 'num_iterations', 'epsilon'],
    trl: 'same',
  },
];

/** What TRL’s GRPO and RLOO log of the completions of a batch and of their rewards, beside what all methods log here. */
export const COMPLETIONS: readonly MetricRow[] = [
  {
    name: 'num_tokens',
    label: 'Tokens so far',
    unit: 'tokens',
    tells: 'Tokens of prompts and completions so far, padding not counted.',
    bad: 'It only grows.',
    try: [],
    trl: 'same',
  },
  {
    name: 'completions/mean_length',
    label: 'Mean length',
    unit: 'tokens',
    tells: 'Tokens of a completion on average, the end token counted.',
    bad: 'Growing or shrinking steadily: length itself pays.',
    try: ['missing_eos_penalty', 'max_completion_length', 'beta'],
    trl: 'same',
  },
  {
    name: 'completions/min_length',
    label: 'Shortest',
    unit: 'tokens',
    tells: 'Tokens of the shortest completion of the batch.',
    bad: 'At 1: a completion may end before it begins, and that may pay.',
    try: ['missing_eos_penalty', 'max_completion_length', 'beta'],
    trl: 'same',
  },
  {
    name: 'completions/max_length',
    label: 'Longest',
    unit: 'tokens',
    tells: 'Tokens of the longest completion of the batch.',
    bad: 'Always the most there may be: some completions never end.',
    try: ['missing_eos_penalty', 'max_completion_length', 'beta'],
    trl: 'same',
  },
  {
    name: 'completions/mean_terminated_length',
    label: 'Mean length, ended',
    unit: 'tokens',
    tells: 'Tokens of a completion that ended by itself, on average; 0 where none did.',
    bad: 'Shrinking steadily: ending early pays.',
    try: ['missing_eos_penalty', 'max_completion_length', 'beta'],
    trl: 'same',
  },
  {
    name: 'completions/min_terminated_length',
    label: 'Shortest, ended',
    unit: 'tokens',
    tells: 'Tokens of the shortest completion that ended by itself; 0 where none did.',
    bad: 'At 1: nothing but an end is written, and that may pay.',
    try: ['missing_eos_penalty', 'max_completion_length', 'beta'],
    trl: 'same',
  },
  {
    name: 'completions/max_terminated_length',
    label: 'Longest, ended',
    unit: 'tokens',
    tells: 'Tokens of the longest completion that ended by itself; 0 where none did.',
    bad: 'Near the most there may be: completions hardly fit.',
    try: ['missing_eos_penalty', 'max_completion_length', 'beta'],
    trl: 'same',
  },
  {
    name: 'completions/clipped_ratio',
    label: 'Cut off',
    unit: 'share',
    tells: 'Share of completions that were cut off before they ended.',
    healthy: { max: 0.5 },
    bad: 'Rising: going on pays, which is a hole in the reward.',
    try: ['missing_eos_penalty', 'max_completion_length', 'beta'],
    trl: 'same',
  },
  {
    name: 'reward',
    label: 'Reward',
    unit: 'points',
    tells: 'Mean reward of the sampled completions, after any penalty for not ending.',
    bad: 'Flat: no signal, or too low a rate.',
    try: ['learning_rate', 'beta', 'total_episodes'],
    trl: 'Same in GRPO; TRL’s RLOO logs it with the price of KL taken off.',
  },
  {
    name: 'reward_std',
    label: 'Spread of rewards',
    unit: 'points',
    tells: 'Deviation of the rewards over the whole batch.',
    healthy: { min: 0.01 },
    bad: 'Near 0: all completions score alike, and nothing is learnt.',
    try: ['temperature', 'num_generations', 'reward'],
    trl: 'Same in GRPO; TRL’s RLOO logs it with the price of KL taken off.',
  },
  {
    name: 'rewards/*/mean',
    label: 'Reward by its name',
    unit: 'points',
    tells:
      'Mean of the reward itself, under the name of the rule or model that gives it, before any penalty.',
    bad: 'Flat: no signal, or too low a rate.',
    try: ['learning_rate', 'beta', 'total_episodes'],
    trl: 'same',
  },
  {
    name: 'rewards/*/std',
    label: 'Its spread',
    unit: 'points',
    tells: 'Deviation of the reward itself over the batch, before any penalty.',
    bad: 'Near 0: the reward tells completions not apart.',
    try: ['reward', 'temperature'],
    trl: 'same',
  },
];

export const GRPO_METRICS: readonly MetricRow[] = [
  {
    name: 'policy_loss',
    label: 'Policy loss',
    unit: '',
    tells: 'The clipped surrogate alone, without the KL term of the loss. It hovers around 0.',
    bad: 'It is no measure of progress.',
    try: ['learning_rate'],
    trl: 'What the loss is in TRL before a bonus for entropy, which ours has not.',
  },
];

export const REINFORCE_METRICS: readonly MetricRow[] = [
  {
    name: 'baseline',
    label: 'Baseline',
    unit: 'points',
    tells: 'What rewards were compared with at this update, on average.',
    bad: 'Far from the rewards themselves: gradients are noisy.',
    try: ['baseline'],
    trl: 'ours',
  },
];

export const ONLINE_DPO_METRICS: readonly MetricRow[] = [
  {
    name: 'objective/scores_margin',
    label: 'Score margin',
    unit: 'points',
    tells: 'By how much the better completion of a pair scores higher, on average.',
    healthy: { min: 0 },
    bad: 'Near 0: the two completions score alike, and the pair is a coin toss.',
    try: ['temperature', 'reward'],
    trl: 'same',
  },
  {
    name: 'val/contain_eos_token',
    label: 'Ended',
    unit: 'share',
    tells: 'Share of completions that end by themselves before they are cut off.',
    bad: 'Falling: going on pays, which is a hole in the reward.',
    try: ['missing_eos_penalty', 'max_new_tokens'],
    trl: 'same',
  },
  {
    name: 'beta',
    label: 'β',
    unit: '',
    tells: 'What moving away from the reference costs, at this update.',
    bad: 'It only ever follows the setting.',
    try: ['beta'],
    trl: 'same',
  },
];

export const RFT_METRICS: readonly MetricRow[] = [
  {
    name: 'objective/scores_best',
    label: 'Score of the best',
    unit: 'points',
    tells: 'Mean score of the completions that are imitated, the best of each group.',
    bad: 'Hardly above the score: a group is too small to hold anything better.',
    try: ['num_generations', 'temperature'],
    trl: 'ours',
  },
];
