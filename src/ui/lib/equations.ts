// The loss of each stage in mathematics, and the same line with the numbers of a step filled in. Formulas are written
// for mathml.ts; in the second line «name» stands for a metric of the step or a setting of the stage.

import type { StageKind } from '../../shared/methods';
import type { MetricsRow } from '../../shared/protocol';
import { formatFixed, formatNumber } from './format';

interface Line {
  says: string;
  formula: string;
  numbers: string;
}

export interface Equation {
  says: string;
  formula: string;
  /** Null before the first step, and where a setting makes other numbers of it. */
  filled: string | null;
}

const IMPLICIT = 'r̂ = β log \\frac{π}{π_ref}';

const LINES: Partial<Record<StageKind, readonly Line[]>> = {
  pretrain: [
    {
      says: 'The mean surprise at the next token, over the N tokens of the rows',
      formula: 'L = -\\frac{1}{N} ∑_t log π(y_t | y_{<t})',
      numbers: 'L = «loss»',
    },
  ],
  sft: [
    {
      says: 'The mean surprise at the next token of a demonstration, over its N tokens',
      formula: 'L = -\\frac{1}{N} ∑_t log π(y_t | x, y_{<t})',
      numbers: 'L = «loss»',
    },
  ],
  reward: [
    {
      says: 'The surprise at which completion was preferred, by the difference of scores (Bradley–Terry)',
      formula: 'L = - "mean" log σ(r_c - r_r)',
      numbers: 'L = «loss» ", with" r_c - r_r = «margin» "on average"',
    },
  ],
  ppo: [
    {
      says: 'What is maximised: the score, less the price of the KL',
      formula: 'J = r - β KL(π ‖ π_ref)',
      numbers: 'J = «objective/scores» - «objective/kl_coef» · «objective/kl» = «objective/rlhf_reward»',
    },
    {
      says: 'The loss of the policy: the advantage, gained by the ratio ρ of new to old probability up to a clip',
      formula: 'L_π = - "mean" min(ρ_t A_t, clip(ρ_t, 1 - ε, 1 + ε) A_t)',
      numbers: 'L_π = «loss/policy_avg» ", at" ρ = «val/ratio» ", " ε = «cliprange»',
    },
    {
      says: 'The loss of the critic, and what is differentiated: both together',
      formula: 'L = L_π + c_v L_V ", " L_V = \\frac{1}{2} "mean" max((V_t - R_t)^2, (V_clip - R_t)^2)',
      numbers: 'L = «loss/policy_avg» + «vf_coef» · «loss/value_avg» = «total»',
    },
  ],
  dpo: [
    { says: 'The policy is its own reward model', formula: IMPLICIT, numbers: 'β = «beta»' },
    {
      says: 'The chosen completion is to gain more over the reference than the rejected one',
      formula: 'L = - "mean" log σ(r̂_c - r̂_r)',
      numbers: 'L = «loss» ", with" r̂_c - r̂_r = «rewards/chosen» - «rewards/rejected» = «rewards/margins»',
    },
  ],
  kto: [
    {
      says: 'Good completions are to lie above the present KL, bad ones below it',
      formula: 'L = "mean" w (1 - σ(± β (log \\frac{π}{π_ref} - KL)))',
      numbers: 'L = «loss» ", with" KL = «kl» ", " β = «beta»',
    },
  ],
  orpo: [
    {
      says: 'Imitation of the chosen, and its odds against the rejected',
      formula: 'L = L_SFT - β "mean" log σ(log \\frac{{odds}(y_c)}{{odds}(y_r)})',
      numbers: 'L = «nll_loss» - «beta» · («log_odds_ratio») = «loss»',
    },
  ],
  simpo: [
    {
      says: 'The log-probability a token is the reward, and the chosen one leads by a margin γ',
      formula: 'L = - "mean" log σ(\\frac{β}{|y_c|} log π(y_c) - \\frac{β}{|y_r|} log π(y_r) - γ)',
      numbers: 'L = «loss» ", with a lead of" «rewards/margins» ", " γ = «simpo_gamma»',
    },
  ],
  grpo: [
    {
      says: 'A completion’s advantage: its score among those of its group',
      formula: 'A_i = \\frac{r_i - "mean" r}{"sd" r}',
      numbers: '"mean" r = «objective/scores»',
    },
    {
      says: 'PPO’s clip, and KL as a term of the loss',
      formula: 'L = - "mean" min(ρ_t A_i, clip(ρ_t, 1 - ε, 1 + ε) A_i) + β KL_3',
      numbers: 'L = «loss» ", with" β · KL_3 = «beta» · «kl»',
    },
  ],
  rloo: [
    {
      says: 'A completion’s advantage: its reward, less the mean of the other k − 1',
      formula: 'A_i = R_i - \\frac{1}{k - 1} ∑_{j ≠ i} R_j ", " R = r - β KL',
      numbers: '"mean" r = «objective/scores» ", " β · KL = «beta» · «objective/kl»',
    },
    {
      says: 'A whole completion is one action, with one ratio ρ',
      formula: 'L = - "mean" min(ρ_i A_i, clip(ρ_i, 1 - ε, 1 + ε) A_i)',
      numbers: 'L = «loss»',
    },
  ],
  reinforce: [
    {
      says: 'Each completion’s log-probability, weighed by its reward above a baseline b',
      formula: 'L = - "mean" (R_i - b) log π(y_i) ", " R = r - β KL',
      numbers: 'L = «loss» ", with" r - β · KL = «objective/scores» - «beta» · «objective/kl»',
    },
  ],
  online_dpo: [
    {
      says: 'DPO’s loss on the policy’s own pairs, ordered by the reward',
      formula: `L = - "mean" log σ(r̂_c - r̂_r) ", " ${IMPLICIT}`,
      numbers: 'L = «loss» ", with" r̂_c - r̂_r = «rewards/margins»',
    },
  ],
  rft: [
    {
      says: 'The best of n completions is imitated as a demonstration',
      formula: 'L = -\\frac{1}{N} ∑_t log π(y*_t) ", " y* = argmax_i r(y_i)',
      numbers: 'L = «loss» ", the best score" «objective/scores_best» "on average"',
    },
  ],
};

/** The formulas of a stage with the numbers of a metrics row; none for a stage that has no loss. */
export function equationsOf(
  kind: StageKind,
  settings: object | null,
  row: MetricsRow | undefined,
): Equation[] {
  return (LINES[kind] ?? []).map(({ says, formula, numbers }) => ({
    says,
    formula,
    filled: row ? filled(numbers, { ...settings, ...row, ...totalOf(settings, row) }) : null,
  }));
}

/** PPO logs its two losses; their sum is a matter of the weight. */
function totalOf(settings: object | null, row: MetricsRow): object {
  const weight = settings && 'vf_coef' in settings ? Number(settings.vf_coef) : NaN;
  return { total: Number(row['loss/policy_avg']) + weight * Number(row['loss/value_avg']) };
}

function filled(numbers: string, values: object): string | null {
  const known = new Map<string, unknown>(Object.entries(values));
  const names = Array.from(numbers.matchAll(/«([^»]+)»/g), ([, name = '']) => name);
  if (names.some((name) => !Number.isFinite(known.get(name)))) return null;
  return numbers.replaceAll(/«([^»]+)»/g, (_, name: string) => `⟨${show(Number(known.get(name)))}⟩`);
}

function show(value: number): string {
  return Math.abs(value) < 0.1 ? formatNumber(value) : formatFixed(value);
}
