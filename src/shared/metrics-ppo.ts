// PPO's rows of the metrics table (metrics.ts). Definitions: TRL 1.10-dev, trl/experimental/ppo/ppo_trainer.py. TRL
// averages several of them over padded positions as well; ours leave padding out, so that the numbers do not depend
// on how long the longest completion of a batch happens to be.

import type { MetricRow } from './metrics';

const OURS_MASKED = 'Over real tokens only; TRL counts padded positions in.';

/** How far the policy that writes has moved. */
export const MOVED: readonly MetricRow[] = [
  {
    name: 'objective/kl',
    label: 'KL to the reference',
    unit: 'nats',
    tells:
      'How far the policy has moved from its reference, summed over a completion, on average over samples.',
    healthy: { min: 0, max: 10 },
    bad: 'Beyond 10: it no longer talks like itself and likely games the reward. Lastingly below 0: sampling is not pure.',
    try: ['kl_coef', 'beta', 'learning_rate', 'num_ppo_epochs'],
    trl: 'same',
  },
  {
    name: 'objective/entropy',
    label: 'Entropy of samples',
    unit: 'nats',
    tells:
      'Minus the log-probability of the sampled completions: how surprising the policy’s own text is to it.',
    healthy: { min: 0 },
    bad: 'Falling towards 0: it writes the same completion again and again.',
    try: ['kl_coef', 'beta', 'learning_rate'],
    trl: 'Over real tokens only; in TRL every padded position counts as −1.',
  },
];

/** What that costs, where KL has a price. */
const PRICED: readonly MetricRow[] = [
  {
    name: 'objective/non_score_reward',
    label: 'KL penalty',
    unit: 'points',
    tells: 'What moving away from the reference cost: −kl_coef × KL.',
    bad: 'As large as the score: the leash, not the reward, decides.',
    try: ['kl_coef', 'beta'],
    trl: 'same',
  },
  {
    name: 'objective/rlhf_reward',
    label: 'Reward with penalty',
    unit: 'points',
    tells: 'Score plus the (negative) KL penalty: what PPO maximises. It should rise.',
    bad: 'Falling: updates do harm. Flat: too small a rate, or no signal in the reward.',
    try: ['learning_rate', 'kl_coef', 'beta', 'total_episodes'],
    trl: 'same',
  },
];

/** What is scored, whoever wrote it. */
export const SCORED: readonly MetricRow[] = [
  {
    name: 'objective/scores',
    label: 'Score',
    unit: 'points',
    tells:
      'Mean reward of the sampled completions, after any penalty for not ending. A model’s score is in deviations.',
    bad: 'Flat: no signal, or too low a rate. Soaring with KL: the reward is being gamed; read the samples.',
    try: ['learning_rate', 'kl_coef', 'beta', 'total_episodes'],
    trl: 'Same in PPO and online DPO; TRL’s GRPO and RLOO log it as reward.',
  },
  {
    name: 'objective/scores_std',
    label: 'Spread of scores',
    unit: 'points',
    tells: 'Deviation of the scores within the batch: without differences there is nothing to learn from.',
    healthy: { min: 0.01 },
    bad: 'Near 0: all completions score alike; the reward is saturated or blind.',
    try: ['reward', 'missing_eos_penalty', 'temperature'],
    trl: 'ours',
  },
  {
    name: 'episode',
    label: 'Episodes',
    unit: '',
    tells: 'Completions sampled so far.',
    bad: 'It only grows.',
    try: ['total_episodes'],
    trl: 'same',
  },
];

/** Of what a policy writes and what it scores: PPO's, and those of most methods without a critic. */
export const SAMPLED: readonly MetricRow[] = [...MOVED, ...PRICED, ...SCORED];

export const PPO_METRICS: readonly MetricRow[] = [
  {
    name: 'objective/kl_coef',
    label: 'KL coefficient',
    unit: '',
    tells: 'The price of a nat at this update: fixed, or steered when a KL target is set.',
    bad: 'Steered ever higher: the target cannot be held at this learning rate.',
    try: ['kl_target', 'learning_rate'],
    trl: 'Logged by TRL up to 0.11, which had the controller.',
  },
  {
    name: 'policy/approxkl_avg',
    label: 'KL of an update',
    unit: 'nats a token',
    tells: 'How far one update’s epochs move the policy: half the mean squared change of log-probability.',
    healthy: { max: 0.1 },
    bad: 'High: updates are too drastic. Exactly 0 with several epochs: the policy is not being trained.',
    try: ['learning_rate', 'num_ppo_epochs', 'target_kl'],
    trl: OURS_MASKED,
  },
  {
    name: 'policy/clipfrac_avg',
    label: 'Clipped tokens',
    unit: 'share',
    tells: 'Share of tokens whose probability moved so far that clipping cut their gradient off.',
    healthy: { max: 0.3 },
    bad: 'High: updates are too drastic, and much of each batch is wasted.',
    try: ['learning_rate', 'num_ppo_epochs', 'cliprange'],
    trl: 'same',
  },
  {
    name: 'policy/entropy_avg',
    label: 'Entropy',
    unit: 'nats a token',
    tells: 'How undecided the policy is at each token, over the whole vocabulary.',
    healthy: { min: 0.05 },
    bad: 'Collapsing: one answer for everything, and nothing new is tried any more.',
    try: ['kl_coef', 'learning_rate', 'total_episodes'],
    trl: OURS_MASKED,
  },
  {
    name: 'loss/policy_avg',
    label: 'Policy loss',
    unit: '',
    tells:
      'The clipped surrogate. Near 0 by design, since advantages have mean 0: it is no measure of progress.',
    bad: 'Exactly 0 update after update: the policy is not being trained.',
    try: ['learning_rate', 'num_ppo_epochs'],
    trl: 'same',
  },
  {
    name: 'loss/value_avg',
    label: 'Value loss',
    unit: '',
    tells: 'How wrong the critic is about the reward to come. It should fall, then hover.',
    bad: 'Spikes: the critic is thrown off; advantages are then noise.',
    try: ['learning_rate', 'vf_coef', 'cliprange_value'],
    trl: 'same',
  },
  {
    name: 'val/clipfrac_avg',
    label: 'Clipped values',
    unit: 'share',
    tells: 'Share of the critic’s estimates that wanted to move further than one update allows.',
    healthy: { max: 0.5 },
    bad: 'High for long: the critic cannot keep up.',
    try: ['cliprange_value', 'learning_rate'],
    trl: 'same',
  },
  {
    name: 'val/ratio',
    label: 'Probability ratio',
    unit: '',
    tells: 'New over old probability of the sampled tokens during an update; it should float near 1.',
    healthy: { min: 0.8, max: 1.25 },
    bad: 'Far from 1: updates are too drastic for the old samples to say anything about the new policy.',
    try: ['learning_rate', 'num_ppo_epochs', 'max_grad_norm'],
    trl: OURS_MASKED,
  },
  {
    name: 'val/ratio_var',
    label: 'Spread of the ratio',
    unit: '',
    tells: 'Variance of the minibatches’ mean ratios.',
    bad: 'Growing: some minibatches move the policy far more than others.',
    try: ['learning_rate', 'num_mini_batches'],
    trl: 'Over minibatches; TRL’s is over its micro-batches.',
  },
  {
    name: 'val/var_explained',
    label: 'Explained by the critic',
    unit: 'share',
    tells: 'Share of the differences in return that the critic foresaw: 1 is all, 0 no better than the mean.',
    healthy: { min: 0, max: 1 },
    bad: 'Below 0 for long: the critic is worse than none, and advantages are noise.',
    try: ['vf_coef', 'learning_rate', 'cliprange_value'],
    trl: 'Logged by TRL up to 0.11 as ppo/val/var_explained.',
  },
  {
    name: 'val/num_eos_tokens',
    label: 'Completions ended',
    unit: '',
    tells: 'How many completions of the batch ended by themselves.',
    bad: 'Falling: see the finish rate.',
    try: ['missing_eos_penalty'],
    trl: 'same',
  },
  {
    name: 'lr',
    label: 'Learning rate',
    unit: '',
    tells: 'The rate of this update, under the name TRL’s PPO gives it.',
    bad: 'It only ever follows the schedule.',
    try: ['learning_rate', 'lr_scheduler_type', 'warmup_steps'],
    trl: 'same',
  },
  {
    name: 'eps',
    label: 'Episodes a second',
    unit: 'a second',
    tells: 'How fast completions are sampled and learnt from.',
    bad: 'Falling: completions got longer, or the machine is busy.',
    try: ['response_length', 'num_ppo_epochs'],
    trl: 'Of the last update; TRL’s is since the start.',
  },
];
