// What an evaluation measures of each completion: a number, whose mean gets an interval in the report, and the row by which
// tooltips, charts and health checks explain it. The list is all there is to a measure; the report has them in its order.

import type { MetricRow } from './metrics';
import { followedFormat, repetition } from './text-metrics';

/** A completion of an evaluation prompt, with what is known of it. */
export interface Judged {
  completion: string;
  token_ids: readonly number[];
  /** It ended by itself. */
  finished: boolean;
  /** Sum over its tokens of log-probability minus the reference's, in nats. */
  kl: number;
  /** What the final judge, which training never saw, makes of it. */
  happy: boolean;
  /** The score of what the last policy was trained on, where there is one. */
  reward?: number;
}

export interface Measure extends MetricRow {
  /** Undefined where it cannot be told; then of no completion. */
  of: (sample: Judged) => number | undefined;
}

export const MEASURES: readonly Measure[] = [
  {
    name: 'happy',
    label: 'Happy endings',
    unit: 'share',
    tells: 'Share of completions that the final judge, which training never saw, calls happy.',
    bad: 'Standing still while the reward rises: the policy games the reward.',
    try: ['count', 'kl_coef', 'total_episodes'],
    trl: 'ours',
    of: ({ happy }) => Number(happy),
  },
  {
    name: 'finish_rate',
    label: 'Finished',
    unit: 'share',
    tells: 'Share of completions that end by themselves before they are cut off.',
    healthy: { min: 0.9 },
    bad: 'Lower than after SFT: going on pays, which is a hole in the reward.',
    try: ['missing_eos_penalty', 'max_new_tokens'],
    trl: 'ours',
    of: ({ finished }) => Number(finished),
  },
  {
    name: 'followed_format',
    label: 'Followed the format',
    unit: 'share',
    tells: 'Share of completions in the form the demonstrations teach.',
    healthy: { min: 0.9 },
    bad: 'Low: SFT was too short, or PPO has unlearnt it.',
    try: ['max_steps', 'learning_rate', 'kl_coef'],
    trl: 'ours',
    of: ({ completion, finished }) => Number(followedFormat(completion, finished)),
  },
  {
    name: 'kl',
    label: 'KL to the reference',
    unit: 'nats',
    tells: 'How far the policy has moved from the SFT model, summed over a completion, on unseen prompts.',
    healthy: { min: 0, max: 10 },
    bad: 'Beyond 10: it likely games the reward; read the samples.',
    try: ['kl_coef', 'learning_rate'],
    trl: 'ours',
    of: ({ kl }) => kl,
  },
  {
    name: 'repetition',
    label: 'Repetition',
    unit: 'share',
    tells: 'Share of a completion’s two-word runs that it has used before.',
    healthy: { max: 0.2 },
    bad: 'High: the model repeats itself, often because a word it repeats pays.',
    try: ['kl_coef', 'reward'],
    trl: 'ours',
    of: ({ completion }) => repetition(completion),
  },
  {
    name: 'mean_length',
    label: 'Length',
    unit: 'tokens',
    tells: 'Tokens of a completion on average.',
    bad: 'Growing or shrinking steadily in PPO: length itself pays.',
    try: ['missing_eos_penalty', 'kl_coef'],
    trl: 'As TRL’s GRPO logs it as completions/mean_length.',
    of: ({ token_ids, finished }) => token_ids.length - Number(finished),
  },
  {
    name: 'reward',
    label: 'Reward',
    unit: 'points',
    tells: 'What the reward PPO trained on gives these completions: to be read beside the judge’s verdict.',
    bad: 'High where the judge’s verdict is not: the reward is being gamed.',
    try: ['kl_coef', 'count', 'noise'],
    trl: 'ours',
    of: ({ reward }) => reward,
  },
];
