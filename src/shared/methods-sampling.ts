// The rows of the list of methods (methods.ts) that learn from their own samples without a critic: by groups, by a
// baseline, by pairs, by picking the best.

import { chart, ENTROPY_CHART, FINISHED_CHART, GRADIENT_CHART, LENGTH_CHART, SCORE_CHARTS } from './charts';
import { batchOf, unleashed, wholeGroups } from './contradictions-sampling';
import { withoutBeta } from './contradictions-preference';
import { type Line, method, PROMPTS, SAMPLES } from './method';
import { dpoLines } from './methods-preference';
import { MOVED, SAMPLED, SCORED } from './metrics-ppo';
import { ORDER, SIDES } from './metrics-preference';
import {
  CLIPPED,
  COMPLETIONS,
  GROUPS,
  GRPO_METRICS,
  ONLINE_DPO_METRICS,
  REINFORCE_METRICS,
  RFT_METRICS,
  SAMPLING_METRICS,
} from './metrics-sampling';
import { ENTROPY, GRADIENT, RATE, WRITING } from './metrics-training';
import { bestOfNShare, forwardShare, groupPrice, tiltedShare } from './optimum';

const LEARNING = [...SAMPLING_METRICS, ...WRITING, ...RATE, ...GRADIENT];
const METRICS = [...SAMPLED, ...LEARNING];

const CHARTS = [
  chart('Loss', { key: 'loss', label: 'loss', role: 'policy' }),
  ENTROPY_CHART,
  FINISHED_CHART,
  LENGTH_CHART,
  GRADIENT_CHART,
];
const GROUPS_CHART = chart('Groups without signal', {
  key: 'frac_reward_zero_std',
  label: 'of all',
  role: 'reference',
});

const SCORES = { metric: 'objective/scores', shows: 'change' } as const;

/** How GRPO counts the tokens of n completions y_i. */
const COUNTS: Record<string, { says: string; outer: string; inner: string }> = {
  dapo: { says: 'all tokens weigh alike', outer: '\\frac{1}{∑_i |y_i|}', inner: '' },
  bnpo: {
    says: 'all tokens of a device batch weigh alike, and these batches too',
    outer: '\\frac{1}{∑_i |y_i|}',
    inner: '',
  },
  grpo: {
    says: 'completions weigh alike, whatever their length',
    outer: '\\frac{1}{n}',
    inner: '\\frac{1}{|y_i|}',
  },
  dr_grpo: {
    says: 'a token weighs the same in any completion, T being the longest there could be',
    outer: '\\frac{1}{n T}',
    inner: '',
  },
};

const SPREADS: Record<string, string> = {
  group: '\\frac{r_i - "mean" r}{"sd" r + 10^{-4}}',
  batch: '\\frac{r_i - "mean" r}{"sd of the batch" + 10^{-4}}',
  none: 'r_i - "mean" r',
};

/** The reward of the methods that have the KL in it. */
const priced = (clip: boolean): string => `R = ${clip ? 'clip(r, - c, c)' : 'r'} - β KL`;

export const SAMPLING_METHODS = {
  grpo: method({
    label: 'GRPO',
    purpose: 'Several endings to each opening, each judged by how it compares with the others: no critic.',
    about:
      'Group relative policy optimisation does without PPO’s critic: it samples a group of completions of each prompt and takes the mean of their scores for what was to be expected. The rest is PPO’s clipping, with the KL as a term of the loss (k3) and not of the reward, so its optimum is a little different: it keeps some probability on all that the reference would say. A group whose completions all score alike teaches nothing.',
    code: 'src/train/grpo.ts',
    trl: 'GRPOConfig',
    leaves: 'policy',
    holdsReference: true,
    needs: [PROMPTS],
    settings: {
      ...SAMPLES,
      learning_rate: [1e-3, 1e-6],
      beta: [0.05, 0],
      loss_type: ['dapo', 'dapo', ['dapo', 'grpo', 'bnpo', 'dr_grpo']],
      max_completion_length: [40, 512],
      num_generations: [8, 8],
      num_iterations: [1, 1],
      epsilon: [0.2, 0.2],
      epsilon_high: [null, null],
      scale_rewards: ['group', 'group'],
      importance_sampling_level: ['token', 'token'],
    },
    metrics: [...METRICS, ...ENTROPY, ...GROUPS, ...CLIPPED, ...COMPLETIONS, ...GRPO_METRICS],
    charts: [...SCORE_CHARTS, GROUPS_CHART, ...CHARTS],
    headline: SCORES,
    equations: ({ loss_type, scale_rewards, importance_sampling_level, beta, epsilon_high }) => {
      const { says, outer, inner } = COUNTS[loss_type]!;
      const whole = importance_sampling_level === 'sequence';
      const ratio = whole ? 'ρ_i' : 'ρ_{i t}';
      const gain = `min(${ratio} A_i, clip(${ratio}, 1 - ε, 1 + ${epsilon_high === null ? 'ε' : 'ε_h'}) A_i)`;
      const term = beta === 0 ? gain : `(${gain} - β KL_3)`;
      return [
        {
          says: 'A completion’s advantage: its score among those of its group',
          formula: `A_i = ${SPREADS[scale_rewards]!}`,
          numbers: '"mean" r = «objective/scores» ", " "sd of the batch" = «reward_std»',
        },
        {
          says: `PPO’s clip${beta === 0 ? '' : ', and KL as a term of the loss'}; ${says}`,
          formula: `L = - ${outer} ∑_i ${inner} ∑_t ${term}${whole ? ' ", " ρ_i = (\\frac{π(y_i)}{π_old(y_i)})^{1 / |y_i|}' : ''}${beta === 0 ? '' : ' ", " KL_3 = \\frac{π_ref}{π} - log \\frac{π_ref}{π} - 1'}`,
          numbers: `L = «loss»${beta === 0 ? '' : ' ", with" β KL_3 = «beta» · «kl»'} ", " ε = «epsilon»${epsilon_high === null ? '' : ' ", " ε_h = «epsilon_high»'}`,
        },
      ];
    },
    problems: (stage, report) => [
      stage.loss_type === 'bnpo' && stage.per_device_train_batch_size % stage.num_generations !== 0
        ? report(
            'error',
            'loss_type',
            `bnpo counts tokens in each device batch, and ${stage.per_device_train_batch_size} holds no whole groups of ${stage.num_generations}.`,
            `Set per_device_train_batch_size to a multiple of ${stage.num_generations}, or loss_type to "dapo".`,
          )
        : null,
      stage.epsilon_high !== null && stage.epsilon_high < stage.epsilon
        ? report(
            'warning',
            'epsilon_high',
            `clipping above at ${stage.epsilon_high} is tighter than below at ${stage.epsilon}: rare tokens can hardly grow.`,
            'Set epsilon_high to null, or above epsilon.',
          )
        : null,
      unleashed(stage.beta, report),
    ],
    // For completions of one token, and scale_rewards "none": the deviation of a group would change the price.
    best: (share, { beta, num_generations }) => forwardShare(share, groupPrice(beta, num_generations)),
  }),
  rloo: method({
    label: 'RLOO',
    purpose: 'As GRPO, but plain: a whole ending is one action, compared with the mean of the others.',
    about:
      'REINFORCE leave-one-out goes back to the simplest policy gradient that is unbiased: a completion is one action, its reward is score minus the price of its KL, and what it is compared with is the mean reward of the other completions of the same prompt. No critic, no credit for single tokens, nothing to tune but the rate and the group.',
    code: 'src/train/rloo.ts',
    trl: 'RLOOConfig',
    leaves: 'policy',
    holdsReference: true,
    needs: [PROMPTS],
    klPrice: 'beta',
    settings: {
      ...SAMPLES,
      learning_rate: [1e-3, 1e-6],
      beta: [0.05, 0.05],
      max_completion_length: [40, 512],
      num_generations: [4, 2],
      num_iterations: [1, 1],
      epsilon: [0.2, 0.2],
      normalize_advantages: [false, false],
      score_clip: [null],
    },
    metrics: [...METRICS, ...ENTROPY, ...GROUPS, ...CLIPPED, ...COMPLETIONS],
    charts: [...SCORE_CHARTS, GROUPS_CHART, ...CHARTS],
    headline: SCORES,
    equations: ({ normalize_advantages: normal, score_clip }): Line[] => {
      const clip = score_clip !== null;
      return [
        {
          says: `A completion’s advantage: its reward, less the mean of the other k − 1${normal ? '; brought to mean 0 and deviation 1 over the batch' : ''}`,
          formula: `${normal ? 'A_i = \\frac{Â_i - "mean" Â}{"sd" Â + 10^{-4}} ", " Â_i' : 'A_i'} = R_i - \\frac{1}{k - 1} ∑_{j ≠ i} R_j ", " ${priced(clip)}`,
          numbers: `"mean" r = «objective/scores» ", " β KL = «beta» · «objective/kl»${clip ? ' ", " c = «score_clip»' : ''}`,
        },
        {
          says: 'A whole completion is one action, with one ratio ρ',
          formula: 'L = - "mean" min(ρ_i A_i, clip(ρ_i, 1 - ε, 1 + ε) A_i)',
          numbers: 'L = «loss» ", " ε = «epsilon»',
        },
      ];
    },
    problems: ({ beta }, report) => [unleashed(beta, report)],
    best: (share, { beta }) => tiltedShare(share, beta),
  }),
  reinforce: method({
    label: 'REINFORCE',
    purpose: 'The oldest policy gradient: make endings that scored above average more likely.',
    about:
      'The policy gradient of Williams (1992), which everything else here refines: each completion’s log-probability is pushed up in proportion to how far its reward lies above a baseline. The baseline changes nothing on average and much in noise: try it without one. Each sample is used once.',
    code: 'src/train/reinforce.ts',
    trl: null,
    leaves: 'policy',
    holdsReference: true,
    needs: [PROMPTS],
    klPrice: 'beta',
    settings: {
      ...SAMPLES,
      learning_rate: [1e-3],
      beta: [0.05],
      max_completion_length: [40],
      baseline: ['batch'],
    },
    metrics: [...METRICS, ...ENTROPY, ...REINFORCE_METRICS],
    charts: [...SCORE_CHARTS, ...CHARTS],
    headline: SCORES,
    equations: ({ baseline }) => [
      {
        says: `Each completion’s log-probability, weighed by its reward${{ none: '', batch: ' less the mean of the others of the batch', moving_average: ' less a running mean b' }[baseline]}`,
        formula: `L = - "mean" ${{ none: 'R_i', batch: '(R_i - \\frac{1}{n - 1} ∑_{j ≠ i} R_j)', moving_average: '(R_i - b)' }[baseline]} log π(y_i) ", " ${priced(false)}`,
        numbers: `L = «loss» ", with" r - β KL = «objective/scores» - «beta» · «objective/kl»${baseline === 'moving_average' ? ' ", " b = «baseline»' : ''}`,
      },
    ],
    problems: (stage, report) => [
      stage.baseline === 'batch' && batchOf(stage) === 1
        ? report(
            'error',
            'baseline',
            'the baseline is the mean of the other completions, and a batch of 1 has no other.',
            'Set per_device_train_batch_size to at least 2, or baseline to "moving_average".',
          )
        : null,
      unleashed(stage.beta, report),
    ],
    best: (share, { beta }) => tiltedShare(share, beta),
  }),
  online_dpo: method({
    label: 'Online DPO',
    purpose: 'DPO on fresh pairs: the policy writes two endings, the reward says which is better.',
    about:
      'DPO learns from pairs that somebody else wrote long ago; online DPO lets the present policy write both completions of every pair and asks the reward which one is better. The pairs then are always about what the policy says now, which is where offline DPO goes blind as it moves away from its data.',
    code: 'src/train/online-dpo.ts',
    trl: 'OnlineDPOConfig',
    leaves: 'policy',
    holdsReference: true,
    needs: [PROMPTS],
    settings: {
      ...SAMPLES,
      missing_eos_penalty: [null, null],
      temperature: [1, 0.9],
      learning_rate: [5e-4, 5e-7],
      beta: [0.1, 0.1],
      loss_type: ['sigmoid', 'sigmoid', ['sigmoid', 'ipo']],
      ipo_length_norm: [false],
      max_new_tokens: [40, 64],
    },
    metrics: [...METRICS, ...SIDES, ...ORDER, ...ONLINE_DPO_METRICS],
    charts: [
      ...SCORE_CHARTS,
      chart('Score margin', { key: 'objective/scores_margin', label: 'points', role: 'reward' }),
      ...CHARTS.filter((each) => each !== ENTROPY_CHART),
    ],
    headline: SCORES,
    equations: (stage) => [
      {
        says: 'Of two completions of its own, the one that scores higher is the chosen one',
        formula: 'r_c ≥ r_r',
        numbers: 'r_c - r_r = «objective/scores_margin» "on average"',
      },
      ...dpoLines({ ...stage, label_smoothing: 0 }),
    ],
    problems: (stage, report) => [
      wholeGroups(stage, 2, 'per_device_train_batch_size', report),
      withoutBeta(stage.beta, report),
    ],
  }),
  rft: method({
    label: 'Best of n',
    purpose: 'Several endings to each opening; the best is imitated. No gradient ever sees the reward.',
    about:
      'Rejection-sampling fine-tuning writes n completions of each prompt, keeps the one that scores best and imitates it as if it were a demonstration. Sampled from the reference, it teaches the policy to write at once what best-of-n would have picked, whose distance from the reference is known: at most log n − (n − 1)/n nats. Sampled from the policy itself, it climbs on.',
    code: 'src/train/rft.ts',
    trl: null,
    leaves: 'policy',
    holdsReference: true,
    needs: [PROMPTS],
    settings: {
      ...SAMPLES,
      learning_rate: [1e-3],
      num_generations: [4],
      max_new_tokens: [40],
      sample_from: ['reference'],
    },
    metrics: [...MOVED, ...SCORED, ...LEARNING, ...ENTROPY, ...GROUPS, ...RFT_METRICS],
    charts: [
      chart(
        'Reward',
        { key: 'objective/scores', label: 'all', role: 'reference' },
        { key: 'objective/scores_best', label: 'best', role: 'reward' },
      ),
      chart('KL to the reference', { key: 'objective/kl', label: 'nats', role: 'kl' }),
      GROUPS_CHART,
      ...CHARTS,
    ],
    headline: SCORES,
    equations: ({ sample_from }) => [
      {
        says: `The best of n completions is imitated as a demonstration; ${sample_from === 'reference' ? 'the reference writes them' : 'the policy itself writes them'}`,
        formula: `L = -\\frac{1}{N} ∑_t log π(y*_t) ", " y* = argmax_i r(y_i) ", " y_i ∼ ${sample_from === 'reference' ? 'π_ref' : 'π'}`,
        numbers: 'L = «loss» ", the best score" «objective/scores_best» "on average"',
      },
    ],
    // From the reference.
    best: (share, { num_generations }) => bestOfNShare(share, num_generations),
  }),
};
