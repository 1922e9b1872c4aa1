// The rows of the metrics table (metrics.ts) of the methods that learn from pairs or labels. Definitions: TRL 1.10-dev,
// trl/trainer/dpo_trainer.py and kto_trainer.py, trl/experimental/orpo and cpo.

import type { MetricRow } from './metrics';

const MORE: MetricRow['try'] = ['max_steps', 'learning_rate', 'beta'];

/** Of the two sides of a pair, or of good and bad completions. */
export const SIDES: readonly MetricRow[] = [
  {
    name: 'rewards/chosen',
    label: 'Reward of chosen',
    unit: 'points',
    tells: 'The implicit reward β·log(π/ref) of the chosen completions; without a reference, of π a token.',
    bad: 'Falling below 0: even chosen text becomes unlikely, and something not in the pairs takes its place.',
    try: ['learning_rate', 'beta', 'rpo_alpha'],
    trl: 'same',
  },
  {
    name: 'rewards/rejected',
    label: 'Reward of rejected',
    unit: 'points',
    tells: 'The implicit reward of the rejected completions: it should fall behind that of the chosen ones.',
    bad: 'Rising with the other: the model learns the form of both, not which is better.',
    try: MORE,
    trl: 'same',
  },
  {
    name: 'rewards/margins',
    label: 'Margin',
    unit: 'points',
    tells: 'By how much the implicit reward of the chosen completions is higher, on average.',
    bad: 'Flat: nothing is learnt. Growing without end: the model gets sure, not better.',
    try: MORE,
    trl: 'same',
  },
  {
    name: 'logps/chosen',
    label: 'Log-prob. of chosen',
    unit: 'nats',
    tells: 'Log-probability of the chosen completions. In DPO it may fall while the margin grows.',
    bad: 'Falling far: only the gap is trained. Read the samples; imitation of the chosen ones stops it.',
    try: ['rpo_alpha', 'beta', 'learning_rate'],
    trl: 'Sums over completions everywhere; TRL’s ORPO and CPO log means a token.',
  },
  {
    name: 'logps/rejected',
    label: 'Log-prob. of rejected',
    unit: 'nats',
    tells: 'Log-probability of the rejected completions: it should fall.',
    bad: 'Rising: the form is still being learnt; run SFT first or longer.',
    try: MORE,
    trl: 'Sums over completions everywhere; TRL’s ORPO and CPO log means a token.',
  },
];

/** Of the order in which the policy has them. */
export const ORDER: readonly MetricRow[] = [
  {
    name: 'rewards/accuracies',
    label: 'Right order',
    unit: 'share',
    tells:
      'How often the chosen completion of a training pair has the higher implicit reward; 0.5 is guessing.',
    bad: 'Near 0.5 after many steps: the preference cannot be seen, or the rate is too low.',
    try: MORE,
    trl: 'same',
  },
];

/** Of the numbers before they become probabilities. */
export const LOGITS: readonly MetricRow[] = [
  {
    name: 'logits/chosen',
    label: 'Logits of chosen',
    unit: '',
    tells: 'The mean raw logit at the chosen completions’ tokens, over the whole vocabulary.',
    bad: 'It has no meaning by itself; a sudden jump says that the model has changed a lot.',
    try: ['learning_rate', 'beta'],
    trl: 'same',
  },
  {
    name: 'logits/rejected',
    label: 'Logits of rejected',
    unit: '',
    tells: 'The mean raw logit at the rejected completions’ tokens, over the whole vocabulary.',
    bad: 'It has no meaning by itself; a sudden jump says that the model has changed a lot.',
    try: ['learning_rate', 'beta'],
    trl: 'same',
  },
];

/** Of every method that learns from such rows. */
export const PREFERENCE_METRICS: readonly MetricRow[] = [
  {
    name: 'loss',
    label: 'Loss',
    unit: '',
    tells:
      'What the method minimises: DPO begins at ln 2 = 0.693, KTO at 0.5, where policy and reference agree.',
    bad: 'Flat from the start: the rate is too low. Near 0: the pairs are known by heart.',
    try: ['learning_rate', 'max_steps', 'beta'],
    trl: 'same',
  },
  {
    name: 'eval_loss',
    label: 'Held-out loss',
    unit: '',
    tells: 'The loss on pairs kept out of training: whether the preference holds for text never seen.',
    bad: 'Rising while the loss falls: the model learns the pairs by heart.',
    try: ['early_stopping_patience', 'max_steps', 'learning_rate'],
    trl: 'same',
  },
  {
    name: 'eval_rewards/margins',
    label: 'Held-out margin',
    unit: 'points',
    tells: 'The margin on pairs kept out of training.',
    bad: 'Below 0: the policy prefers what was rejected.',
    try: MORE,
    trl: 'same',
  },
];

/** And of those whose rows are pairs. */
export const PAIR_METRICS: readonly MetricRow[] = [
  {
    name: 'mean_token_accuracy',
    label: 'Token accuracy',
    unit: 'share',
    tells: 'Share of the chosen completions’ tokens that the policy would have named first.',
    bad: 'Falling: chosen text becomes less likely. Near 1: it is known by heart.',
    try: ['rpo_alpha', 'learning_rate', 'max_steps'],
    trl: 'Same in DPO, where TRL logs it.',
  },
  {
    name: 'eval_rewards/accuracies',
    label: 'Held-out right order',
    unit: 'share',
    tells: 'The same on pairs kept out of training; with label noise n it cannot pass 1 − n for long.',
    bad: 'Near 0.5: what is learnt is true of the training pairs only.',
    try: ['max_steps', 'count', 'noise'],
    trl: 'same',
  },
  {
    name: 'nll_loss',
    label: 'Imitation loss',
    unit: 'nats a token',
    tells:
      'How surprising the chosen completions are, a token; where it has a weight it is part of the loss.',
    bad: 'Rising: chosen text becomes less likely. Give imitation a weight.',
    try: ['rpo_alpha', 'cpo_alpha', 'learning_rate'],
    trl: 'Over completion tokens only; TRL’s ORPO counts the prompt in.',
  },
];

export const ORPO_METRICS: readonly MetricRow[] = [
  {
    name: 'log_odds_chosen',
    label: 'Log-odds ratio',
    unit: 'nats',
    tells:
      'How much higher the log-odds of the chosen completion are than those of the rejected one, a token.',
    bad: 'Flat: preference weighs too little beside imitation.',
    try: ['beta', 'max_steps', 'learning_rate'],
    trl: 'same',
  },
  {
    name: 'log_odds_ratio',
    label: 'log σ of the odds ratio',
    unit: 'nats',
    tells:
      'What ORPO’s second term pushes towards 0: log σ of the log-odds ratio, −0.693 where nothing is preferred.',
    healthy: { max: 0 },
    bad: 'Stuck at −0.69: nothing is preferred yet.',
    try: ['beta', 'max_steps', 'learning_rate'],
    trl: 'same',
  },
];

export const KTO_METRICS: readonly MetricRow[] = [
  {
    name: 'kl',
    label: 'KL, mismatched',
    unit: 'nats',
    tells:
      'How far the policy has moved on completions that do not belong to their prompts: where gain and loss part.',
    healthy: { min: 0 },
    bad: 'At 0 throughout: every such completion got less likely, and the point of comparison is lost.',
    try: ['learning_rate', 'per_device_train_batch_size'],
    trl: 'Over the whole batch; TRL’s is over each device’s part of it.',
  },
];
