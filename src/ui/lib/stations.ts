// The stations of the pipeline: model and data, then one per stage of the experiment. For each, what it is called,
// what it does in a sentence, and which charts show whether it goes well. Series are coloured by role, always alike.

import { stageNames, type Stage, type StageKind } from '../../shared/experiment';

export type Role = 'policy' | 'reference' | 'reward' | 'kl' | 'value';

export interface SeriesPlan {
  /** Name of the metric in metrics.jsonl. */
  key: string;
  label: string;
  role: Role;
  dashed?: boolean;
}

export interface ChartPlan {
  title: string;
  /** How the figures read: a share as per cent, anything else as a number. */
  unit: 'number' | 'share';
  series: SeriesPlan[];
}

export type StationKind = 'model' | 'data' | StageKind;

export interface Station {
  /** Name of the stage (`sft`, `sft-2`), or `model`, `data`. */
  name: string;
  kind: StationKind;
  label: string;
}

const LABELS: Record<StationKind, string> = {
  model: 'Model',
  data: 'Data',
  sft: 'SFT',
  pairs: 'Pairs',
  reward: 'Reward',
  ppo: 'PPO',
  evaluate: 'Compare',
};

/** What each station does, for someone who meets it for the first time. */
export const PURPOSE: Record<StationKind, string> = {
  model:
    'A small language model, trained on simple stories and then frozen. Every stage learns an adapter beside it.',
  data: 'What the stages learn from and are measured on, split by opening so that no stage is tested on what it saw.',
  sft: 'Supervised fine-tuning: the model imitates demonstrations and learns the form, a short ending that stops.',
  pairs: 'The model writes two endings to each opening, and a labeller says which of them is better.',
  reward: 'A copy of the model learns to tell the preferred ending from the other: a score for any ending.',
  ppo: 'The model writes, the reward scores, and likely words shift towards what scored well, held near to where they began.',
  evaluate:
    'Every checkpoint answers openings that no stage has seen, judged by a scorer that no stage was trained on.',
};

/** Stations of an experiment in the order in which they run. */
export function stationsOf(stages: readonly Stage[]): Station[] {
  const names = stageNames(stages);
  const own = stages.map(({ kind }, i): Station => {
    const name = names[i] ?? kind;
    return { name, kind, label: name.replace(kind, LABELS[kind]).replace('-', '\u202f') };
  });
  return [
    { name: 'model', kind: 'model', label: LABELS.model },
    { name: 'data', kind: 'data', label: LABELS.data },
    ...own,
  ];
}

const LOSS: ChartPlan = {
  title: 'Loss',
  unit: 'number',
  series: [
    { key: 'loss', label: 'training', role: 'policy' },
    { key: 'eval_loss', label: 'held out', role: 'reference', dashed: true },
  ],
};
const GRADIENT: ChartPlan = {
  title: 'Gradient norm',
  unit: 'number',
  series: [{ key: 'grad_norm', label: 'norm', role: 'policy' }],
};
const RATE: ChartPlan = {
  title: 'Learning rate',
  unit: 'number',
  series: [{ key: 'learning_rate', label: 'rate', role: 'reference' }],
};

/** Charts by station, the most telling first. A metric the run never reports leaves its chart out. */
export const CHARTS: Record<StageKind, ChartPlan[]> = {
  sft: [
    LOSS,
    {
      title: 'Finished endings',
      unit: 'share',
      series: [{ key: 'finish_rate', label: 'finished', role: 'policy' }],
    },
    { title: 'Entropy', unit: 'number', series: [{ key: 'entropy', label: 'nats a token', role: 'policy' }] },
    GRADIENT,
    RATE,
  ],
  pairs: [],
  reward: [
    LOSS,
    {
      title: 'Right order',
      unit: 'share',
      series: [
        { key: 'accuracy', label: 'training', role: 'reward' },
        { key: 'eval_accuracy', label: 'held out', role: 'reference', dashed: true },
      ],
    },
    {
      title: 'Margin',
      unit: 'number',
      series: [
        { key: 'margin', label: 'training', role: 'reward' },
        { key: 'eval_margin', label: 'held out', role: 'reference', dashed: true },
      ],
    },
    GRADIENT,
  ],
  ppo: [
    {
      title: 'Reward',
      unit: 'number',
      series: [{ key: 'objective/scores', label: 'score', role: 'reward' }],
    },
    {
      title: 'KL to the reference',
      unit: 'number',
      series: [{ key: 'objective/kl', label: 'nats', role: 'kl' }],
    },
    {
      title: 'Policy loss',
      unit: 'number',
      series: [{ key: 'loss/policy_avg', label: 'policy', role: 'policy' }],
    },
    {
      title: 'Value loss',
      unit: 'number',
      series: [{ key: 'loss/value_avg', label: 'value', role: 'value' }],
    },
    {
      title: 'Clipped',
      unit: 'share',
      series: [{ key: 'policy/clipfrac_avg', label: 'clipped', role: 'policy' }],
    },
    {
      title: 'Entropy',
      unit: 'number',
      series: [{ key: 'policy/entropy_avg', label: 'nats a token', role: 'policy' }],
    },
    {
      title: 'Finished endings',
      unit: 'share',
      series: [{ key: 'finish_rate', label: 'finished', role: 'policy' }],
    },
  ],
  evaluate: [],
};
