// PPO's row of the list of methods (methods.ts). Its settings are TRL's, up to 0.11 where it had more of them.

import { chart, FINISHED_CHART, LENGTH_CHART, SCORE_CHARTS } from './charts';
import { ppoProblems } from './contradictions-ppo';
import { type Line, method, PROMPTS, SAMPLES } from './method';
import { PPO_METRICS, SAMPLED } from './metrics-ppo';
import { GRADIENT, WRITING } from './metrics-training';
import { tiltedShare } from './optimum';
import type { Fields } from './settings';

const SETTINGS = {
  ...SAMPLES,
  total_episodes: [960, null],
  max_grad_norm: [1, null],
  missing_eos_penalty: [null, null],
  temperature: [1, 0.7],
  learning_rate: [1e-3, 3e-6],
  response_length: [40, 53],
  kl_coef: [0.05, 0.05],
  num_ppo_epochs: [2, 4],
  num_mini_batches: [1, 1],
  kl_estimator: ['k1', 'k1'],
  kl_target: [null],
  kl_horizon: [10000],
  cliprange: [0.2, 0.2],
  cliprange_value: [0.2, 0.2],
  vf_coef: [0.1, 0.1],
  gamma: [1, 1],
  lam: [0.95, 0.95],
  whiten_rewards: [false, false],
  whiten_advantages: [true],
  target_kl: [null],
  missing_eos_trick: ['subtract'],
  use_score_scaling: [false],
  use_score_norm: [false],
  score_clip: [null],
  entropy_coef: [0],
  adam_style: ['torch'],
} as const;

export type PpoFields = Fields<typeof SETTINGS>;

/** What is maximised. The score that counts is scaled and cut off where that is asked for. */
function objective({
  kl_estimator,
  kl_target,
  use_score_scaling,
  use_score_norm,
  score_clip,
}: PpoFields): Line {
  const scaled = use_score_scaling ? `\\frac{s${use_score_norm ? ' - "mean" s' : ''}}{"sd" s}` : 's';
  const cut = score_clip === null ? scaled : `clip(${scaled}, - c, c)`;
  const own = cut === 's' ? '' : ` ", " r = ${cut}`;
  const kl = kl_estimator === 'k1' ? 'KL(π ‖ π_ref)' : '∑_t (e^{d_t} - d_t - 1)';
  const price = 'β KL = «objective/kl_coef» · «objective/kl»';
  return {
    says: `What is maximised: the score, less the price of the KL${kl_target === null ? '' : ', which is steered'}${kl_estimator === 'k1' ? '' : ' as k3 estimates it, whose gradient is not the KL’s'}`,
    formula: `J = r - β ${kl}${kl_estimator === 'k1' ? '' : ' ", " d = log \\frac{π_ref}{π}'}${own}`,
    numbers:
      own === ''
        ? 'J = «objective/scores» - «objective/kl_coef» · «objective/kl» = «objective/rlhf_reward»'
        : `J = «objective/rlhf_reward» ", with" "mean" s = «objective/scores» ", " ${price}${score_clip === null ? '' : ' ", " c = «score_clip»'}`,
  };
}

function advantage({ whiten_rewards, whiten_advantages }: PpoFields): Line {
  const ways = [
    ...(whiten_rewards ? ['rewards are brought to deviation 1 first'] : []),
    ...(whiten_advantages ? ['the advantages of a batch to mean 0 and deviation 1'] : []),
  ];
  return {
    says: `How much better a token did than the critic V expected${ways.length > 0 ? `; ${ways.join(', ')}` : ''}`,
    formula: 'A_t = δ_t + γ λ A_{t + 1} ", " δ_t = r_t + γ V_{t + 1} - V_t',
    numbers: 'γ = «gamma» ", " λ = «lam»',
  };
}

function total({ entropy_coef }: PpoFields): Line {
  const bonus = entropy_coef > 0;
  return {
    says: `The loss of the critic, and what is differentiated: both together${bonus ? ', less the bonus for entropy H' : ''}`,
    formula: `L = L_π + c_v L_V${bonus ? ' - c_H H' : ''} ", " L_V = \\frac{1}{2} "mean" max((V_t - R_t)^2, (V_clip - R_t)^2)`,
    numbers: `L = «loss/policy_avg» + «vf_coef» · «loss/value_avg»${bonus ? ' - «entropy_coef» · «policy/entropy_avg»' : ''} = «result»`,
    result: (of) =>
      of('loss/policy_avg') +
      of('vf_coef') * of('loss/value_avg') -
      (bonus ? of('entropy_coef') * of('policy/entropy_avg') : 0),
  };
}

export const PPO_METHODS = {
  ppo: method({
    label: 'PPO',
    purpose:
      'The model writes, the reward scores, and likely words shift towards what scored well, held near to where they began.',
    about:
      'Proximal policy optimisation, the method of the first RLHF papers. The policy samples completions, the reward scores them, every token pays for moving away from the reference, and a critic learns to foresee the outcome, so that each token is judged by how much better things went than expected. Clipping keeps every update small enough for the samples to be used more than once.',
    code: 'src/train/ppo.ts',
    trl: 'PPOConfig',
    leaves: 'policy',
    holdsReference: true,
    critic: true,
    needs: [PROMPTS],
    klPrice: 'kl_coef',
    settings: SETTINGS,
    metrics: [...SAMPLED, ...PPO_METRICS, ...WRITING, ...GRADIENT],
    charts: [
      ...SCORE_CHARTS,
      chart('Policy loss', { key: 'loss/policy_avg', label: 'loss', role: 'policy' }),
      chart('Value loss', { key: 'loss/value_avg', label: 'loss', role: 'value' }),
      chart('Clipped tokens', { key: 'policy/clipfrac_avg', label: 'of all', role: 'policy' }),
      chart('Entropy', { key: 'policy/entropy_avg', label: 'nats a token', role: 'policy' }),
      FINISHED_CHART,
      LENGTH_CHART,
    ],
    headline: { metric: 'objective/scores', shows: 'change' },
    equations: (stage) => [
      objective(stage),
      advantage(stage),
      {
        says: 'The loss of the policy: the advantage, gained by the ratio ρ of new to old probability up to a clip',
        formula: 'L_π = - "mean" min(ρ_t A_t, clip(ρ_t, 1 - ε, 1 + ε) A_t)',
        numbers: 'L_π = «loss/policy_avg» ", at" ρ = «val/ratio» ", " ε = «cliprange»',
      },
      total(stage),
    ],
    problems: ppoProblems,
    best: (share, { kl_coef }) => tiltedShare(share, kl_coef),
  }),
};
