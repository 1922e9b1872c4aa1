// What the first step of a method must be exactly, where policy and reference are still one: the invariants of the method
// reference, which hold on any backend.

import { tf } from '../src/engine/tf';
import type { TrainState } from '../src/train/state';
import type { Changes } from './tiny-methods';

interface FirstStep {
  name: string;
  changes?: Changes;
  /** What is done to the state before. */
  prepare?: (state: TrainState) => void;
  exactly: Record<string, number>;
  /** Sums of what cancels, which rounding leaves a trace of: within 1e-6. */
  nearly?: Record<string, number>;
}

const apart = { 'rewards/chosen': 0, 'rewards/rejected': 0, 'rewards/margins': 0 };
const ln2 = Math.fround(Math.LN2);
const still = { 'objective/kl': 0, 'objective/non_score_reward': -0 };
const unclipped = {
  ...{ 'clip_ratio/low_mean': 0, 'clip_ratio/low_min': 0 },
  ...{ 'clip_ratio/high_mean': 0, 'clip_ratio/high_max': 0, 'clip_ratio/region_mean': 0 },
};
const calm = { 'val/ratio': 1, 'policy/approxkl_avg': 0, 'policy/clipfrac_avg': 0, 'val/clipfrac_avg': 0 };

export const FIRST_STEP: readonly FirstStep[] = [
  {
    name: 'reward',
    prepare: ({ adapters }) => {
      const head = adapters['reward']!.variables.get('score.weight')!;
      head.assign(tf.zeros(head.shape));
    },
    exactly: { loss: ln2, accuracy: 0, margin: 0, min_reward: 0, mean_reward: 0, max_reward: 0 },
  },
  // The critic's head is zero: it foresees nothing. Whitened advantages sum up to nothing.
  { name: 'ppo', exactly: { ...still, ...calm, 'val/var_explained': 0 }, nearly: { 'loss/policy_avg': 0 } },
  {
    name: 'ppo',
    changes: {
      num_mini_batches: 2,
      per_device_train_batch_size: 4,
      gradient_accumulation_steps: 2,
      learning_rate: 1e-30,
    },
    exactly: { ...still, ...calm },
  },
  { name: 'dpo', exactly: { ...apart, 'rewards/accuracies': 0, loss: ln2 } },
  { name: 'dpo', changes: { label_smoothing: 0.1 }, exactly: apart, nearly: { loss: Math.LN2 } },
  { name: 'dpo ipo', changes: { rpo_alpha: null }, exactly: { ...apart, 'rewards/accuracies': 0, loss: 25 } },
  { name: 'dpo robust', exactly: { ...apart, 'rewards/accuracies': 0, loss: ln2 } },
  { name: 'dpo hinge', exactly: { ...apart, 'rewards/accuracies': 0, loss: 1 } },
  { name: 'kto', changes: { undesirable_weight: 1 }, exactly: { ...apart, kl: 0, loss: 0.5 } },
  { name: 'grpo', changes: { num_iterations: 1 }, exactly: { ...still, ...unclipped, kl: 0 } },
  {
    name: 'grpo',
    changes: { num_iterations: 1, loss_type: 'grpo' },
    exactly: { ...still, ...unclipped, kl: 0 },
    nearly: { loss: 0, policy_loss: 0 },
  },
  {
    name: 'rloo',
    changes: { num_iterations: 1 },
    exactly: { ...still, ...unclipped, kl: 0 },
    nearly: { loss: 0 },
  },
  { name: 'reinforce', exactly: still },
  { name: 'online_dpo', exactly: { ...still, ...apart, 'rewards/accuracies': 0, loss: ln2 } },
  { name: 'rft', changes: { sample_from: 'policy' }, exactly: { 'objective/kl': 0 } },
];

/** Holds a first row to it; what it is not, in words. */
export function missed({ exactly, nearly = {} }: FirstStep, row: object): string[] {
  const of = row as Record<string, number>;
  const told = (name: string, value: number): string => `${name} is ${of[name]}, not ${value}`;
  return [
    ...Object.entries(exactly).flatMap(([name, value]) => (of[name] === value ? [] : told(name, value))),
    ...Object.entries(nearly).flatMap(([name, value]) =>
      Math.abs(of[name]! - value) < 1e-6 ? [] : told(name, value),
    ),
  ];
}
