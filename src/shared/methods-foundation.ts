// The rows of the list of methods (methods.ts) for what a run begins with, and what it ends with: pretraining, SFT, pairs,
// the reward model; the comparison.

import {
  chart,
  ENTROPY_CHART,
  FINISHED_CHART,
  GRADIENT_CHART,
  heldOutToo,
  LENGTH_CHART,
  RATE_CHART,
} from './charts';
import { method, PAIRS, PROMPTS, RAGGED_ROWS, ROWS } from './method';
import { EVALUATION_METRICS } from './metrics-evaluation';
import {
  GRADIENT,
  IMITATION,
  PAIRS_METRICS,
  RATE,
  READING,
  REWARD_METRICS,
  SFT_METRICS,
  WRITING,
} from './metrics-training';

export const FOUNDATION_METHODS = {
  pretrain: method({
    label: 'Pretrain',
    purpose: 'The language itself: every weight learns to foresee the next token of plain text.',
    about:
      'The model reads documents and every weight moves so that the next token becomes more likely: words first, then grammar, then what usually follows what. Several documents share a row, and attention keeps them apart, so that no computation goes into padding. Everything a language model knows comes from here; the other methods bend it.',
    code: 'src/train/pretrain.ts',
    trl: 'SFTConfig',
    leaves: 'policy',
    foundation: true,
    needs: [{ what: 'text', why: 'the text it learns the language from' }],
    settings: {
      ...ROWS,
      max_steps: [500, -1],
      per_device_train_batch_size: [8, 8],
      learning_rate: [1e-3, 2e-5],
      warmup_steps: [20, 0],
      adam_beta2: [0.95, 0.999],
      eval_fraction: [0.05],
      eval_steps: [50, null],
      early_stopping_patience: [3, null],
      save_steps: [50, 500],
      max_length: [256, 1024],
    },
    metrics: [...IMITATION, ...RATE, ...GRADIENT, ...READING],
    charts: [heldOutToo('Loss', 'loss', 'policy'), GRADIENT_CHART, RATE_CHART],
    headline: { metric: 'loss', heldOut: 'eval_loss', shows: 'change' },
    equations: () => [
      {
        says: 'The mean surprise at the next token, over the N tokens of the rows',
        formula: 'L = -\\frac{1}{N} ∑_t log π(y_t | y_{<t})',
        numbers: 'L = «loss»',
      },
    ],
  }),
  sft: method({
    label: 'SFT',
    purpose:
      'Supervised fine-tuning: the model imitates demonstrations and learns the form, a short ending that stops.',
    about:
      'The model reads demonstrations and every weight of its adapter moves so that the next token of each becomes more likely. It learns what an answer looks like and where it stops, and nothing about which of two good answers is better; that is what the other methods are for.',
    code: 'src/train/sft.ts',
    trl: 'SFTConfig',
    leaves: 'policy',
    foundation: true,
    needs: [{ what: 'sft', why: 'the demonstrations it imitates' }],
    settings: {
      ...RAGGED_ROWS,
      learning_rate: [2e-3, 2e-5],
      early_stopping_patience: [3, null],
      metric_for_best_model: ['eval_loss', null],
    },
    metrics: [...IMITATION, ...SFT_METRICS, ...WRITING, ...RATE, ...GRADIENT, ...READING],
    charts: [heldOutToo('Loss', 'loss', 'policy'), FINISHED_CHART, ENTROPY_CHART, GRADIENT_CHART, RATE_CHART],
    headline: { metric: 'loss', heldOut: 'eval_loss', shows: 'change' },
    equations: () => [
      {
        says: 'The mean surprise at the next token of a demonstration, over its N tokens',
        formula: 'L = -\\frac{1}{N} ∑_t log π(y_t | x, y_{<t})',
        numbers: 'L = «loss»',
      },
    ],
  }),
  pairs: method({
    label: 'Judge',
    purpose:
      'The model writes some endings to each opening, and a labeller says which of two is better. So can you: blind, with a key.',
    about:
      'Some completions of the same prompt are sampled from the present policy, and of every two of them a labeller names the better one. Comparing is easier and steadier than grading, which is why preference data looks like this. Ties are dropped, and a set share of labels is wrong, as it is with people.',
    code: 'src/experiment/pairs.ts',
    trl: null,
    needs: [PROMPTS],
    settings: {
      count: [1000],
      num_generations: [2],
      labeller: [{ kind: 'rule', name: 'feeling-words', noise: 0.1 }],
      max_new_tokens: [40],
      temperature: [1],
    },
    metrics: [...PAIRS_METRICS, ...WRITING],
    charts: [
      chart('Pairs', { key: 'pairs', label: 'so far', role: 'policy' }),
      chart('No difference seen', { key: 'tie_rate', label: 'of all', role: 'reference' }),
      chart('Labels flipped', { key: 'flip_rate', label: 'of all', role: 'kl' }),
      LENGTH_CHART,
    ],
    headline: { metric: 'pairs', shows: 'count' },
  }),
  reward: method({
    label: 'Reward',
    purpose:
      'A copy of the model learns to tell the preferred ending from the other: a score for any ending.',
    about:
      'A copy of the model gets a head that reads one number off the last token, and learns from pairs that the preferred completion should have the higher one (Bradley–Terry: the difference of scores is the log-odds of being preferred). The score then stands in for the labeller, on completions nobody has labelled.',
    code: 'src/train/reward.ts',
    trl: 'RewardConfig',
    leaves: 'reward',
    needs: [PAIRS],
    settings: {
      ...RAGGED_ROWS,
      learning_rate: [1e-3, 1e-4],
      center_rewards_coefficient: [null, null],
      normalise_samples: [256],
    },
    metrics: [...REWARD_METRICS, ...RATE, ...GRADIENT, ...READING],
    charts: [
      heldOutToo('Loss', 'loss', 'policy'),
      heldOutToo('Right order', 'accuracy', 'reward'),
      heldOutToo('Margin', 'margin', 'reward'),
      GRADIENT_CHART,
    ],
    headline: { metric: 'accuracy', heldOut: 'eval_accuracy', shows: 'share' },
    equations: ({ center_rewards_coefficient: centre }) => [
      {
        says:
          centre === null
            ? 'The surprise at which completion was preferred, by the difference of scores (Bradley–Terry)'
            : 'The surprise at which completion was preferred, by the difference of scores (Bradley–Terry), and the pull of their sum towards 0',
        formula: `L = - "mean" log σ(r_c - r_r)${centre === null ? '' : ' + λ "mean" (r_c + r_r)^2'}`,
        numbers: `L = «loss» ", with" r_c - r_r = «margin» "on average"${centre === null ? '' : ' ", " λ = «center_rewards_coefficient»'}`,
      },
    ],
  }),
};

export const FINAL_METHODS = {
  evaluate: method({
    label: 'Compare',
    purpose:
      'Every checkpoint answers openings that no stage has seen, judged by a scorer that no stage was trained on.',
    about:
      'All policies complete the same prompts with the same random draws, so that differences are theirs and not luck. A judge that no training has seen counts good completions, and intervals say how far the counts can be trusted.',
    code: 'src/evaluate/evaluate.ts',
    trl: null,
    needs: [{ what: 'eval_prompts', why: 'the prompts every stage is compared on' }],
    settings: { samples_per_prompt: [4], max_new_tokens: [40], temperature: [1] },
    metrics: EVALUATION_METRICS,
    charts: [],
  }),
};
