// The stations of the pipeline: model and data, then one per stage of the experiment. For each, what it is called,
// what it does in a sentence, and which charts show whether it goes well. Series are coloured by role, always alike.

import { stageNames, type Stage } from '../../shared/experiment';
import { METHODS, methodOf, type StageKind } from '../../shared/methods';
import { SETTINGS } from '../../shared/settings';

export type Role = 'policy' | 'reference' | 'reward' | 'kl' | 'value';

export interface SeriesPlan {
  /** Name of the metric in metrics.jsonl. */
  key: string;
  label: string;
  role: Role;
  dashed?: boolean;
  /** A share of a whole, where the metrics table does not say so. */
  share?: boolean;
}

export interface ChartPlan {
  title: string;
  series: SeriesPlan[];
}

export type StationKind = 'model' | 'data' | StageKind;

/** What a step of a stage is called: methods that learn from samples of their own count updates. */
export function stepName(kind: string): 'update' | 'batch' | 'step' {
  if (kind === 'pairs') return 'batch';
  return kind in SETTINGS.total_episodes.in ? 'update' : 'step';
}

export interface Station {
  /** Name of the stage (`sft`, `sft-2`), or `model`, `data`. */
  name: string;
  kind: StationKind;
  label: string;
}

/** What each station does, for someone who meets it for the first time. */
export const PURPOSE = {
  model:
    'A small language model, trained on simple stories and then frozen. Every stage learns an adapter beside it.',
  data: 'What the stages learn from and are measured on, split by opening so that no stage is tested on what it saw.',
  ...(Object.fromEntries(Object.entries(METHODS).map(([kind, { purpose }]) => [kind, purpose])) as Record<
    StageKind,
    string
  >),
};

/** Stations of an experiment in the order in which they run. */
export function stationsOf(stages: readonly Stage[]): Station[] {
  const names = stageNames(stages);
  const own = stages.map(({ kind }, i): Station => {
    const name = names[i] ?? kind;
    return { name, kind, label: name.replace(kind, methodOf(kind).label).replace('-', '\u202f') };
  });
  return [
    { name: 'model', kind: 'model', label: 'Model' },
    { name: 'data', kind: 'data', label: 'Data' },
    ...own,
  ];
}

function chart(title: string, ...series: SeriesPlan[]): ChartPlan {
  return { title, series };
}

/** A metric in training and, dashed, on rows held out. */
function pair(title: string, key: string, role: Role): ChartPlan {
  return chart(
    title,
    { key, label: 'training', role },
    { key: `eval_${key}`, label: 'held out', role: 'reference', dashed: true },
  );
}

const FINISHED = chart('Finished endings', { key: 'finish_rate', label: 'of all', role: 'policy' });
const GRADIENT = chart('Gradient norm', { key: 'grad_norm', label: 'norm', role: 'policy' });

const ORDER = pair('Right order', 'rewards/accuracies', 'reward');
const PREFERENCE = [
  pair('Loss', 'loss', 'policy'),
  pair('Margin', 'rewards/margins', 'reward'),
  chart(
    'Implicit rewards',
    { key: 'rewards/chosen', label: 'chosen', role: 'reward' },
    { key: 'rewards/rejected', label: 'rejected', role: 'reference', dashed: true },
  ),
  chart(
    'Log-probabilities',
    { key: 'logps/chosen', label: 'chosen', role: 'policy' },
    { key: 'logps/rejected', label: 'rejected', role: 'reference', dashed: true },
  ),
  GRADIENT,
];

const SCORES = [
  chart('Reward', { key: 'objective/scores', label: 'score', role: 'reward' }),
  chart('KL to the reference', { key: 'objective/kl', label: 'nats', role: 'kl' }),
];
const SAMPLES = [
  chart('Loss', { key: 'loss', label: 'loss', role: 'policy' }),
  chart('Entropy', { key: 'entropy', label: 'nats a token', role: 'policy' }),
  FINISHED,
  chart('Length', { key: 'mean_length', label: 'tokens', role: 'policy' }),
  GRADIENT,
];
const GROUPS = chart('Groups without signal', {
  key: 'frac_reward_zero_std',
  label: 'of all',
  role: 'reference',
});

/** Charts by station, the most telling first. A metric that a run does not report leaves its chart out. */
export const CHARTS: Record<StageKind, ChartPlan[]> = {
  pretrain: [
    pair('Loss', 'loss', 'policy'),
    GRADIENT,
    chart('Learning rate', { key: 'learning_rate', label: 'rate', role: 'reference' }),
  ],
  sft: [
    pair('Loss', 'loss', 'policy'),
    FINISHED,
    chart('Entropy', { key: 'entropy', label: 'nats a token', role: 'policy' }),
    GRADIENT,
    chart('Learning rate', { key: 'learning_rate', label: 'rate', role: 'reference' }),
  ],
  pairs: [
    chart('Pairs', { key: 'pairs', label: 'so far', role: 'policy' }),
    chart('No difference seen', { key: 'tie_rate', label: 'of all', role: 'reference', share: true }),
    chart('Labels flipped', { key: 'flip_rate', label: 'of all', role: 'kl', share: true }),
    chart('Length', { key: 'mean_length', label: 'tokens', role: 'policy' }),
  ],
  reward: [
    pair('Loss', 'loss', 'policy'),
    pair('Right order', 'accuracy', 'reward'),
    pair('Margin', 'margin', 'reward'),
    GRADIENT,
  ],
  ppo: [
    chart('Reward', { key: 'objective/scores', label: 'score', role: 'reward' }),
    chart('KL to the reference', { key: 'objective/kl', label: 'nats', role: 'kl' }),
    chart('Policy loss', { key: 'loss/policy_avg', label: 'loss', role: 'policy' }),
    chart('Value loss', { key: 'loss/value_avg', label: 'loss', role: 'value' }),
    chart('Clipped tokens', { key: 'policy/clipfrac_avg', label: 'of all', role: 'policy' }),
    chart('Entropy', { key: 'policy/entropy_avg', label: 'nats a token', role: 'policy' }),
    FINISHED,
    chart('Length', { key: 'mean_length', label: 'tokens', role: 'policy' }),
  ],
  dpo: [ORDER, ...PREFERENCE],
  kto: [...PREFERENCE, chart('KL, mismatched', { key: 'kl', label: 'nats', role: 'kl' })],
  orpo: [ORDER, ...PREFERENCE, chart('Imitation loss', { key: 'nll_loss', label: 'loss', role: 'policy' })],
  simpo: [ORDER, ...PREFERENCE],
  grpo: [...SCORES, GROUPS, ...SAMPLES],
  rloo: [...SCORES, GROUPS, ...SAMPLES],
  reinforce: [...SCORES, ...SAMPLES],
  online_dpo: [
    ...SCORES,
    chart('Score margin', { key: 'objective/scores_margin', label: 'points', role: 'reward' }),
    ...SAMPLES.filter(({ title }) => title !== 'Entropy'),
  ],
  rft: [
    chart(
      'Reward',
      { key: 'objective/scores', label: 'all', role: 'reference' },
      { key: 'objective/scores_best', label: 'best', role: 'reward' },
    ),
    GROUPS,
    ...SAMPLES,
  ],
  evaluate: [],
};
