// The evaluation's rows of the metrics table (metrics.ts): what is measured of each completion (measures.ts), and figures
// of whole sets of them, as report.json has them.

import { MEASURES } from './measures';
import type { MetricRow } from './metrics';

export const EVALUATION_METRICS: readonly MetricRow[] = [
  ...MEASURES,
  {
    name: 'distinct_2',
    label: 'Distinct pairs of words',
    unit: 'share',
    tells: 'Different two-word runs out of all, over all completions: how varied the text is.',
    bad: 'Below four fifths of SFT’s: everything begins to sound alike.',
    try: ['kl_coef', 'total_episodes', 'learning_rate'],
    trl: 'ours',
  },
  {
    name: 'win_rate',
    label: 'Win rate',
    unit: 'share',
    tells:
      'How often the judge prefers one model’s completion to another’s on the same prompt; ties count half.',
    bad: 'Near 0.5: no difference that the judge can see.',
    try: ['total_episodes', 'learning_rate', 'kl_coef'],
    trl: 'ours',
  },
];
