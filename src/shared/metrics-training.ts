// The rows of the metrics table (metrics.ts) of the stages that every run begins with, and those that all stages share
// which train. Definitions: TRL 1.10-dev, trl/trainer/sft_trainer.py and reward_trainer.py.

import type { MetricRow } from './metrics';

/** Of every update. PPO calls its rate `lr`. */
export const GRADIENT: readonly MetricRow[] = [
  {
    name: 'grad_norm',
    label: 'Gradient norm',
    unit: '',
    tells: 'Length of the gradient before clipping: how hard the batch pulls.',
    bad: 'Spikes: odd rows or too high a rate. Exactly 0: nothing is trained.',
    try: ['max_grad_norm', 'learning_rate', 'warmup_steps'],
    trl: 'Same in SFT and reward; TRL’s PPO neither logs nor clips it.',
  },
];

export const RATE: readonly MetricRow[] = [
  {
    name: 'learning_rate',
    label: 'Learning rate',
    unit: '',
    tells: 'The rate of this update: warm-up and schedule at work.',
    bad: 'It only ever follows the schedule.',
    try: ['learning_rate', 'lr_scheduler_type', 'warmup_steps'],
    trl: 'same',
  },
];

/** Of what is read, row by row. */
export const READING: readonly MetricRow[] = [
  {
    name: 'num_tokens',
    label: 'Tokens seen',
    unit: 'tokens',
    tells: 'Tokens read so far, padding not counted.',
    bad: 'It only grows.',
    try: [],
    trl: 'same',
  },
  {
    name: 'epoch',
    label: 'Epoch',
    unit: '',
    tells: 'How often every row has been seen.',
    healthy: { max: 10 },
    bad: 'Many epochs over few rows are learning by heart.',
    try: ['max_steps'],
    trl: 'same',
  },
];

/** Of what is written. */
export const WRITING: readonly MetricRow[] = [
  {
    name: 'finish_rate',
    label: 'Finished',
    unit: 'share',
    tells: 'Share of sampled completions that end by themselves before they are cut off.',
    healthy: { min: 0.5 },
    bad: 'Low after SFT: the model has not learnt to stop. Falling in PPO: going on pays, which is a hole in the reward.',
    try: ['missing_eos_penalty', 'max_steps', 'response_length', 'max_completion_length', 'max_new_tokens'],
    trl: 'TRL’s GRPO logs its complement as completions/clipped_ratio.',
  },
  {
    name: 'mean_length',
    label: 'Length',
    unit: 'tokens',
    tells: 'Tokens of a completion on average.',
    bad: 'Growing or shrinking steadily in PPO: length itself pays.',
    try: ['missing_eos_penalty', 'kl_coef', 'beta', 'max_steps', 'max_new_tokens'],
    trl: 'As TRL’s GRPO logs it as completions/mean_length.',
  },
];

/** How sure of itself a policy is. */
export const ENTROPY: readonly MetricRow[] = [
  {
    name: 'entropy',
    label: 'Entropy',
    unit: 'nats a token',
    tells: 'How undecided the policy is at each token it learns from, over the whole vocabulary.',
    healthy: { min: 0.05 },
    bad: 'Collapsing: one answer for everything, and nothing new is tried any more.',
    try: ['beta', 'learning_rate', 'max_steps', 'total_episodes'],
    trl: 'same',
  },
];

/** Of imitation, on rows that are learnt from and on others. */
export const IMITATION: readonly MetricRow[] = [
  {
    name: 'loss',
    label: 'Loss',
    unit: 'nats a token',
    tells:
      'How surprised the model is by the next token of what it learns from: 0 is certain, ln(vocabulary) is guessing.',
    bad: 'Flat from the start: the rate is too low. Jumping or rising: too high.',
    try: ['learning_rate', 'warmup_steps', 'max_grad_norm'],
    trl: 'same',
  },
  {
    name: 'eval_loss',
    label: 'Held-out loss',
    unit: 'nats a token',
    tells: 'The loss on rows kept out of training: whether what is learnt holds for text never seen.',
    bad: 'Rising while the loss falls: the model learns the demonstrations by heart.',
    try: ['early_stopping_patience', 'max_steps', 'lora_dropout', 'learning_rate'],
    trl: 'same',
  },
  {
    name: 'eval_perplexity',
    label: 'Held-out perplexity',
    unit: '',
    tells: 'e to the held-out loss: among how many equally likely tokens the model wavers at each step.',
    healthy: { min: 1 },
    bad: 'As the held-out loss.',
    try: ['early_stopping_patience', 'max_steps'],
    trl: 'ours',
  },
];

export const SFT_METRICS: readonly MetricRow[] = [
  {
    name: 'entropy',
    label: 'Entropy',
    unit: 'nats a token',
    tells:
      'How undecided the model is at each token of the completions: it falls as the model gets sure of itself.',
    healthy: { min: 0.05 },
    bad: 'Near 0: the model has one answer for everything.',
    try: ['learning_rate', 'max_steps'],
    trl: 'Over completion tokens only, as our loss; TRL’s is over all tokens that are trained on.',
  },
  {
    name: 'mean_token_accuracy',
    label: 'Token accuracy',
    unit: 'share',
    tells:
      'Share of the completions’ tokens that the model would have named first. Stories have many good next words, so that half is a lot.',
    bad: 'Not rising: nothing is learnt. Near 1: the demonstrations are known by heart.',
    try: ['learning_rate', 'max_steps', 'early_stopping_patience'],
    trl: 'same',
  },
];

export const PAIRS_METRICS: readonly MetricRow[] = [
  {
    name: 'pairs',
    label: 'Pairs',
    unit: '',
    tells: 'Pairs collected so far.',
    bad: 'Hardly growing: most completions are ties.',
    try: ['temperature'],
    trl: 'ours',
  },
  {
    name: 'tie_rate',
    label: 'Ties',
    unit: 'share',
    tells: 'Share of pairs between which the labeller sees no difference; they are dropped.',
    healthy: { max: 0.8 },
    bad: 'Near 1: completions are too much alike, or the labeller is blind to what differs.',
    try: ['temperature', 'labeller'],
    trl: 'ours',
  },
  {
    name: 'flip_rate',
    label: 'Flipped labels',
    unit: 'share',
    tells: 'Share of labels that the labeller’s noise has turned round: no model can be right about those.',
    bad: 'It scatters around the noise that was set.',
    try: ['noise'],
    trl: 'ours',
  },
];

export const REWARD_METRICS: readonly MetricRow[] = [
  {
    name: 'loss',
    label: 'Loss',
    unit: 'nats',
    tells: 'How surprised the reward model is by which completion was preferred; ln 2 = 0.693 is guessing.',
    bad: 'Stuck at 0.69: nothing is learnt. Near 0: the pairs are known by heart.',
    try: ['learning_rate', 'max_steps', 'r'],
    trl: 'same',
  },
  {
    name: 'eval_loss',
    label: 'Held-out loss',
    unit: 'nats',
    tells: 'The loss on pairs kept out of training. Label noise sets a floor that no model gets below.',
    healthy: { max: 0.6931 },
    bad: 'Rising while the loss falls: the model learns noise by heart, and PPO will find its mistakes.',
    try: ['early_stopping_patience', 'max_steps', 'count'],
    trl: 'same',
  },
  {
    name: 'accuracy',
    label: 'Accuracy',
    unit: 'share',
    tells: 'How often the preferred completion of a training pair scores higher; 0.5 is guessing.',
    healthy: { min: 0.5 },
    bad: 'Near 0.5 after many steps: the preference cannot be seen, or the rate is too low.',
    try: ['learning_rate', 'max_steps', 'noise'],
    trl: 'same',
  },
  {
    name: 'eval_accuracy',
    label: 'Held-out accuracy',
    unit: 'share',
    tells: 'The accuracy on pairs kept out of training; with label noise n it cannot pass 1 − n for long.',
    healthy: { min: 0.6 },
    bad: 'Near 0.5: PPO on this model would chase noise.',
    try: ['count', 'max_steps', 'noise', 'r'],
    trl: 'same',
  },
  {
    name: 'margin',
    label: 'Margin',
    unit: 'points',
    tells: 'By how much the preferred completion scores higher, on average over training pairs.',
    bad: 'Growing without end while held-out accuracy stands: the model gets sure, not better.',
    try: ['max_steps', 'weight_decay', 'center_rewards_coefficient'],
    trl: 'same',
  },
  {
    name: 'eval_margin',
    label: 'Held-out margin',
    unit: 'points',
    tells: 'The margin on pairs kept out of training.',
    healthy: { min: 0 },
    bad: 'Below 0: the model prefers what was rejected.',
    try: ['learning_rate', 'max_steps'],
    trl: 'same',
  },
  {
    name: 'eval_calibration_error',
    label: 'Calibration error',
    unit: 'share',
    tells: 'How far the confidence the margins claim lies from how often they are right, on held-out pairs.',
    healthy: { max: 0.15 },
    bad: 'High: scores are too sure (or too unsure) of themselves, so KL and reward are weighed wrongly.',
    try: ['max_steps', 'count', 'weight_decay'],
    trl: 'ours',
  },
  {
    name: 'min_reward',
    label: 'Lowest score',
    unit: 'points',
    tells: 'The lowest raw score in the batch, before scores are normalised.',
    bad: 'Running away from the mean: single rows are learnt by heart.',
    try: ['center_rewards_coefficient', 'weight_decay'],
    trl: 'same',
  },
  {
    name: 'mean_reward',
    label: 'Mean score',
    unit: 'points',
    tells: 'The mean raw score of the batch; where it lies has no meaning, only differences are learnt.',
    bad: 'Drifting far: harmless, since scores are normalised afterwards, and easily stopped.',
    try: ['center_rewards_coefficient'],
    trl: 'same',
  },
  {
    name: 'max_reward',
    label: 'Highest score',
    unit: 'points',
    tells: 'The highest raw score in the batch, before scores are normalised.',
    bad: 'Running away from the mean: single rows are learnt by heart.',
    try: ['center_rewards_coefficient', 'weight_decay'],
    trl: 'same',
  },
];
