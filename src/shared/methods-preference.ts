// The rows of the list of methods (methods.ts) that learn from pairs, or from completions labelled good and bad, without a
// reward model. TRL keeps SimPO in CPOConfig.

import { chart, ENTROPY_CHART, GRADIENT_CHART, heldOutToo, sides } from './charts';
import { withoutBeta } from './contradictions-preference';
import { ktoKlZero } from './health-kto';
import { LABELS, type Line, method, PAIRS, RAGGED_ROWS } from './method';
import {
  KTO_METRICS,
  LOGITS,
  ORDER,
  ORPO_METRICS,
  PAIR_METRICS,
  PREFERENCE_METRICS,
  SIDES,
} from './metrics-preference';
import { ENTROPY, GRADIENT, RATE, READING } from './metrics-training';
import { tiltedShare } from './optimum';

const SETTINGS = {
  ...RAGGED_ROWS,
  lr_scheduler_type: ['linear', 'linear'],
} as const;

const METRICS = [...PREFERENCE_METRICS, ...SIDES, ...LOGITS, ...ENTROPY, ...RATE, ...GRADIENT, ...READING];
const PAIRS_METRICS = [...METRICS, ...ORDER, ...PAIR_METRICS];

const CHARTS = [
  heldOutToo('Loss', 'loss', 'policy'),
  heldOutToo('Margin', 'rewards/margins', 'reward'),
  sides('Implicit rewards', 'rewards', 'reward'),
  sides('Log-probabilities', 'logps', 'policy'),
  ENTROPY_CHART,
  GRADIENT_CHART,
];
const PAIRS_CHARTS = [heldOutToo('Right order', 'rewards/accuracies', 'reward'), ...CHARTS];

const MARGINS = { metric: 'rewards/margins', shows: 'change' } as const;

const IMPLICIT = 'r̂ = β log \\frac{π}{π_ref}';

/** DPO's loss as its settings make it; Δ is the difference of the implicit rewards. */
export function dpoLines({
  loss_type,
  label_smoothing,
  ipo_length_norm,
}: {
  loss_type: string;
  label_smoothing: number;
  ipo_length_norm: boolean;
}): Line[] {
  const implicit = { says: 'The policy is its own reward model', formula: IMPLICIT, numbers: 'β = «beta»' };
  const told = 'L = «loss» ", with" Δ = «rewards/chosen» - «rewards/rejected» = «rewards/margins»';
  const gain = 'The chosen completion is to gain more over the reference than the rejected one';
  const line = (says: string, formula: string, numbers = told): Line => ({ says, formula, numbers });
  const smooth = `${told} ", " ε = «label_smoothing»`;
  if (loss_type === 'ipo') {
    const apart = ipo_length_norm ? '\\frac{δ_c}{|y_c|} - \\frac{δ_r}{|y_r|}' : 'δ_c - δ_r';
    return [
      line(
        `The chosen completion is to gain a set lead over the rejected one${ipo_length_norm ? ', a token' : ''}, and no more`,
        `L = "mean" (${apart} - \\frac{1}{2 β})^2 ", " δ = log \\frac{π}{π_ref}`,
        'L = «loss» ", with" β = «beta» ", " β (δ_c - δ_r) = «rewards/margins»',
      ),
    ];
  }
  if (loss_type === 'hinge')
    return [implicit, line(`${gain}, up to a lead of 1`, 'L = "mean" max(0, 1 - Δ) ", " Δ = r̂_c - r̂_r')];
  if (loss_type === 'robust')
    return [
      implicit,
      line(
        `${gain}, where a share ε of the labels is wrong`,
        'L = - \\frac{1}{1 - 2 ε} "mean" ((1 - ε) log σ(Δ) - ε log σ(- Δ)) ", " Δ = r̂_c - r̂_r',
        smooth,
      ),
    ];
  if (label_smoothing > 0)
    return [
      implicit,
      line(
        `${gain}, and no label is believed without limit`,
        'L = - "mean" ((1 - ε) log σ(Δ) + ε log σ(- Δ)) ", " Δ = r̂_c - r̂_r',
        smooth,
      ),
    ];
  return [implicit, line(gain, 'L = - "mean" log σ(Δ) ", " Δ = r̂_c - r̂_r')];
}

/** The last line of a loss with imitation of the chosen completions added. */
function withImitation(lines: readonly Line[], weight: string): Line[] {
  return lines.map((line, i) =>
    i < lines.length - 1
      ? line
      : {
          says: `${line.says}; and the chosen one is imitated`,
          formula: line.formula.replace('L = ', 'L = α L_SFT + ').replace('+ -', '-'),
          numbers: `${line.numbers} ", " α L_SFT = «${weight}» · «nll_loss»`,
        },
  );
}

export const PREFERENCE_METHODS = {
  dpo: method({
    label: 'DPO',
    purpose: 'The pairs teach the policy itself, which is its own reward model: no sampling, no critic.',
    about:
      'Direct preference optimisation turns PPO’s problem inside out: the policy that is best under a reward and a price of KL determines that reward, so the policy can be fitted to the pairs as a reward model would be. The loss only looks at how much more the chosen completion gained over the reference than the rejected one; both may become less likely while the gap grows, which is common and to be watched.',
    code: 'src/train/dpo.ts',
    trl: 'DPOConfig',
    leaves: 'policy',
    holdsReference: true,
    needs: [PAIRS],
    settings: {
      ...SETTINGS,
      learning_rate: [5e-4, 1e-6],
      beta: [0.1, 0.1],
      loss_type: ['sigmoid', 'sigmoid', ['sigmoid', 'ipo', 'hinge', 'robust']],
      label_smoothing: [0, 0],
      ipo_length_norm: [true],
      rpo_alpha: [null],
    },
    metrics: PAIRS_METRICS,
    charts: PAIRS_CHARTS,
    headline: MARGINS,
    equations: (stage) =>
      stage.rpo_alpha === null ? dpoLines(stage) : withImitation(dpoLines(stage), 'rpo_alpha'),
    problems: ({ beta, loss_type, label_smoothing }, report) => [
      withoutBeta(beta, report),
      label_smoothing > 0 && (loss_type === 'hinge' || loss_type === 'ipo')
        ? report(
            'error',
            'label_smoothing',
            `the ${loss_type} loss has no place for label smoothing.`,
            'Set label_smoothing to 0, or loss_type to "sigmoid" or "robust".',
          )
        : null,
      label_smoothing === 0 && loss_type === 'robust'
        ? report(
            'warning',
            'label_smoothing',
            'without label_smoothing the robust loss is the sigmoid one: it takes every label to be right.',
            'Set label_smoothing to the share of labels you take to be wrong, such as 0.1.',
          )
        : null,
    ],
    // Where Bradley and Terry's rule with the same reward labelled the pairs.
    best: (share, { beta }) => tiltedShare(share, beta),
  }),
  kto: method({
    label: 'KTO',
    purpose: 'Each completion is just good or bad, no pairs: good ones are to gain, bad ones to lose.',
    about:
      'Kahneman–Tversky optimisation needs no pairs: every completion is labelled good or bad by itself, which is how thumbs up and down come in. What counts is whether a completion gained more over the reference than completions do on average (the KL, measured on mismatched prompts), and as in people’s sense of gain and loss the effect levels off far from that point.',
    code: 'src/train/kto.ts',
    trl: 'KTOConfig',
    leaves: 'policy',
    holdsReference: true,
    needs: [LABELS],
    settings: {
      ...SETTINGS,
      learning_rate: [5e-4, 1e-6],
      beta: [0.1, 0.1],
      desirable_weight: [1, 1],
      undesirable_weight: [1, 1],
    },
    metrics: [...METRICS, ...KTO_METRICS],
    charts: [...CHARTS, chart('KL, mismatched', { key: 'kl', label: 'nats', role: 'kl' })],
    headline: MARGINS,
    checks: [ktoKlZero],
    equations: ({ desirable_weight: good, undesirable_weight: bad }) => [
      {
        says: 'Good completions (+) are to lie above the present KL, bad ones (−) below it',
        formula: `L = "mean" ${good === 1 && bad === 1 ? '' : 'w_± '}(1 - σ(± β (log \\frac{π}{π_ref} - KL)))`,
        numbers: `L = «loss» ", with" KL = «kl» ", " β = «beta»${good === 1 && bad === 1 ? '' : ' ", " w_+ = «desirable_weight» ", " w_- = «undesirable_weight»'}`,
      },
    ],
    problems: (stage, report) => [
      withoutBeta(stage.beta, report),
      stage.per_device_train_batch_size * stage.gradient_accumulation_steps === 1
        ? report(
            'error',
            'per_device_train_batch_size',
            'KTO measures KL by giving each prompt the completion of another row, and a batch of 1 has no other.',
            'Set per_device_train_batch_size to at least 2; 16 is a good start.',
          )
        : null,
      stage.desirable_weight === 0 && stage.undesirable_weight === 0
        ? report(
            'error',
            'desirable_weight',
            'both weights are 0, so that no row counts.',
            'Set desirable_weight or undesirable_weight above 0.',
          )
        : null,
    ],
  }),
  orpo: method({
    label: 'ORPO',
    purpose:
      'Imitation of the chosen endings and preference over the rejected ones, in one stage and one loss.',
    about:
      'Odds-ratio preference optimisation does supervised fine-tuning and preference in one go: the chosen completions are imitated, and a second term raises their odds above those of the rejected ones. There is no reference model to hold on to, so it is light, and it can start from the base model with no SFT before it.',
    code: 'src/train/orpo.ts',
    trl: 'ORPOConfig',
    leaves: 'policy',
    betaDrives: true,
    needs: [PAIRS],
    settings: { ...SETTINGS, learning_rate: [1e-3, 1e-6], beta: [0.1, 0.1] },
    metrics: [...PAIRS_METRICS, ...ORPO_METRICS],
    charts: [...PAIRS_CHARTS, chart('Imitation loss', { key: 'nll_loss', label: 'loss', role: 'policy' })],
    headline: MARGINS,
    equations: () => [
      {
        says: 'Imitation of the chosen, and its odds against the rejected',
        formula: 'L = L_SFT - β "mean" log σ(log \\frac{{odds}(y_c)}{{odds}(y_r)})',
        numbers: 'L = «nll_loss» - «beta» · («log_odds_ratio») = «loss»',
      },
    ],
    problems: ({ beta }, report) => [
      beta === 0
        ? report(
            'warning',
            'beta',
            'with beta 0 ORPO imitates the chosen completions and never looks at the rejected ones.',
            'Use 0.1 unless that is what you want to see.',
          )
        : null,
    ],
  }),
  simpo: method({
    label: 'SimPO',
    purpose: 'As DPO without a reference: the likelier ending a token is the better one, by a margin.',
    about:
      'Simple preference optimisation takes the log-probability a token itself for the reward, which is what decides when text is sampled, and asks the chosen completion to lead by a margin. Dividing by length takes away the pull towards long completions, and doing without a reference halves the work. Nothing but a small rate keeps the policy near where it began.',
    code: 'src/train/simpo.ts',
    trl: 'CPOConfig',
    leaves: 'policy',
    needs: [PAIRS],
    settings: {
      ...SETTINGS,
      learning_rate: [3e-4, 1e-6],
      beta: [2, 0.1],
      label_smoothing: [0, 0],
      simpo_gamma: [0.5, 0.5],
      cpo_alpha: [0, 1],
    },
    metrics: PAIRS_METRICS,
    charts: PAIRS_CHARTS,
    headline: MARGINS,
    equations: ({ label_smoothing, cpo_alpha }) => {
      const lead = 'Δ = \\frac{β}{|y_c|} log π(y_c) - \\frac{β}{|y_r|} log π(y_r)';
      const told = 'L = «loss» ", with" Δ = «rewards/margins» ", " γ = «simpo_gamma»';
      const says = 'The log-probability a token is the reward, and the chosen one leads by a margin γ';
      const line =
        label_smoothing === 0
          ? { says, formula: `L = - "mean" log σ(Δ - γ) ", " ${lead}`, numbers: told }
          : {
              says: `${says}; no label is believed without limit`,
              formula: `L = - "mean" ((1 - ε) log σ(Δ - γ) + ε log σ(γ - Δ)) ", " ${lead}`,
              numbers: `${told} ", " ε = «label_smoothing»`,
            };
      return cpo_alpha === 0 ? [line] : withImitation([line], 'cpo_alpha');
    },
    problems: ({ beta }, report) => [withoutBeta(beta, report)],
  }),
};
