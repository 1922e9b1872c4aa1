// ONE table of every metric that is logged or reported: tooltips, charts, health checks and documentation read it.
// Names are TRL's where TRL logs the same thing; `trl` says where ours is computed differently, and why.

import { family, type StageKind } from './methods';
import { EVALUATION_METRICS } from './metrics-evaluation';
import { PPO_METRICS } from './metrics-ppo';
import { PREFERENCE_METRICS } from './metrics-preference';
import { SAMPLING_METRICS } from './metrics-sampling';
import type { SettingKey } from './settings';

export interface Metric {
  name: string;
  label: string;
  unit: 'nats' | 'nats a token' | 'share' | 'tokens' | 'points' | 'a second' | '';
  stages: readonly StageKind[];
  /** What the number is and tells, in plain words. */
  tells: string;
  /** Both ends belong to it; a metric with none is read by its curve alone. */
  healthy?: { min?: number; max?: number };
  /** What a bad curve looks like and means. */
  bad: string;
  /** What to change then, the likeliest first. */
  try: readonly SettingKey[];
  /** `ours`: TRL logs nothing like it. `same`: by TRL's definition. Otherwise how it differs. */
  trl: string;
}

const SUPERVISED_METRICS: readonly Metric[] = [
  {
    name: 'loss',
    label: 'Loss',
    unit: 'nats a token',
    stages: ['pretrain', 'sft'],
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
    stages: ['pretrain', 'sft'],
    tells: 'The loss on rows kept out of training: whether what is learnt holds for text never seen.',
    bad: 'Rising while the loss falls: the model learns the demonstrations by heart.',
    try: ['early_stopping_patience', 'max_steps', 'lora_dropout', 'learning_rate'],
    trl: 'same',
  },
  {
    name: 'eval_perplexity',
    label: 'Held-out perplexity',
    unit: '',
    stages: ['pretrain', 'sft'],
    tells: 'e to the held-out loss: among how many equally likely tokens the model wavers at each step.',
    healthy: { min: 1 },
    bad: 'As the held-out loss.',
    try: ['early_stopping_patience', 'max_steps'],
    trl: 'ours',
  },
  {
    name: 'entropy',
    label: 'Entropy',
    unit: 'nats a token',
    stages: ['sft'],
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
    stages: ['sft'],
    tells:
      'Share of the completions’ tokens that the model would have named first. Stories have many good next words, so that half is a lot.',
    bad: 'Not rising: nothing is learnt. Near 1: the demonstrations are known by heart.',
    try: ['learning_rate', 'max_steps', 'early_stopping_patience'],
    trl: 'same',
  },
  {
    name: 'finish_rate',
    label: 'Finished',
    unit: 'share',
    stages: ['sft', 'pairs', 'ppo', ...family('sampling')],
    tells: 'Share of sampled completions that end by themselves before they are cut off.',
    healthy: { min: 0.5 },
    bad: 'Low after SFT: the model has not learnt to stop. Falling in PPO: going on pays, which is a hole in the reward.',
    try: ['missing_eos_penalty', 'max_steps', 'response_length'],
    trl: 'TRL’s GRPO logs its complement as completions/clipped_ratio.',
  },
  {
    name: 'pairs',
    label: 'Pairs',
    unit: '',
    stages: ['pairs'],
    tells: 'Pairs collected so far.',
    bad: 'Hardly growing: most completions are ties.',
    try: ['temperature'],
    trl: 'ours',
  },
  {
    name: 'tie_rate',
    label: 'Ties',
    unit: 'share',
    stages: ['pairs'],
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
    stages: ['pairs'],
    tells: 'Share of labels that the labeller’s noise has turned round: no model can be right about those.',
    bad: 'It scatters around the noise that was set.',
    try: ['noise'],
    trl: 'ours',
  },
  {
    name: 'loss',
    label: 'Loss',
    unit: 'nats',
    stages: ['reward'],
    tells: 'How surprised the reward model is by which completion was preferred; ln 2 = 0.693 is guessing.',
    bad: 'Stuck at 0.69: nothing is learnt. Near 0: the pairs are known by heart.',
    try: ['learning_rate', 'max_steps', 'r'],
    trl: 'same',
  },
  {
    name: 'eval_loss',
    label: 'Held-out loss',
    unit: 'nats',
    stages: ['reward'],
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
    stages: ['reward'],
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
    stages: ['reward'],
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
    stages: ['reward'],
    tells: 'By how much the preferred completion scores higher, on average over training pairs.',
    bad: 'Growing without end while held-out accuracy stands: the model gets sure, not better.',
    try: ['max_steps', 'weight_decay', 'center_rewards_coefficient'],
    trl: 'same',
  },
  {
    name: 'eval_margin',
    label: 'Held-out margin',
    unit: 'points',
    stages: ['reward'],
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
    stages: ['reward'],
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
    stages: ['reward'],
    tells: 'The lowest raw score in the batch, before scores are normalised.',
    bad: 'Running away from the mean: single rows are learnt by heart.',
    try: ['center_rewards_coefficient', 'weight_decay'],
    trl: 'same',
  },
  {
    name: 'mean_reward',
    label: 'Mean score',
    unit: 'points',
    stages: ['reward'],
    tells: 'The mean raw score of the batch; where it lies has no meaning, only differences are learnt.',
    bad: 'Drifting far: harmless, since scores are normalised afterwards, and easily stopped.',
    try: ['center_rewards_coefficient'],
    trl: 'same',
  },
  {
    name: 'max_reward',
    label: 'Highest score',
    unit: 'points',
    stages: ['reward'],
    tells: 'The highest raw score in the batch, before scores are normalised.',
    bad: 'Running away from the mean: single rows are learnt by heart.',
    try: ['center_rewards_coefficient', 'weight_decay'],
    trl: 'same',
  },
  {
    name: 'learning_rate',
    label: 'Learning rate',
    unit: '',
    stages: ['pretrain', 'sft', 'reward', ...family('preference'), ...family('sampling')],
    tells: 'The rate of this update: warm-up and schedule at work.',
    bad: 'It only ever follows the schedule.',
    try: ['learning_rate', 'lr_scheduler_type', 'warmup_steps'],
    trl: 'same',
  },
  {
    name: 'grad_norm',
    label: 'Gradient norm',
    unit: '',
    stages: ['pretrain', 'sft', 'reward', 'ppo', ...family('preference'), ...family('sampling')],
    tells: 'Length of the gradient before clipping: how hard the batch pulls.',
    bad: 'Spikes: odd rows or too high a rate. Exactly 0: nothing is trained.',
    try: ['max_grad_norm', 'learning_rate', 'warmup_steps'],
    trl: 'Same in SFT and reward; TRL’s PPO neither logs nor clips it.',
  },
  {
    name: 'num_tokens',
    label: 'Tokens seen',
    unit: 'tokens',
    stages: ['pretrain', 'sft', 'reward', ...family('preference')],
    tells: 'Tokens read so far, padding not counted.',
    bad: 'It only grows.',
    try: [],
    trl: 'same',
  },
  {
    name: 'epoch',
    label: 'Epoch',
    unit: '',
    stages: ['pretrain', 'sft', 'reward', ...family('preference')],
    tells: 'How often every row has been seen.',
    healthy: { max: 10 },
    bad: 'Many epochs over few rows are learning by heart.',
    try: ['max_steps'],
    trl: 'same',
  },
];

export const METRICS: readonly Metric[] = [
  ...SUPERVISED_METRICS,
  ...PREFERENCE_METRICS,
  ...PPO_METRICS,
  ...SAMPLING_METRICS,
  ...EVALUATION_METRICS,
];

/** The metric as logged by a stage (`ppo`, or by name `ppo-2`), undefined when the table has none. */
export function metricOf(stage: string, name: string): Metric | undefined {
  const kind = stage.replace(/-\d+$/, '');
  return METRICS.find((metric) => metric.name === name && metric.stages.some((known) => known === kind));
}
