// The one number that tells of a station at a glance, and the small line beside it.

import type { Experiment } from '../../shared/experiment';
import type { ModelReport, Report } from '../../shared/protocol';
import { formatCount, formatFixed, formatPercent } from './format';
import type { StageProgress } from './progress';
import { pointsToDraw, type MetricColumns } from './series';
import type { Station } from './stations';
import { headline } from './verdict';

/** What of a session the numbers are taken from. */
export interface Told {
  model: ModelReport | null;
  report: Report | null;
  stage(name: string): StageProgress | null;
  columns(name: string): MetricColumns;
}

/** "5.9 million", "2.31 → 1.74", "81 %", "12 of 30": empty while there is none. */
export function keyNumber(told: Told, { name, kind }: Station, experiment: Experiment): string {
  const columns = told.columns(name);
  const stage = told.stage(name);
  const counted = stage && stage.step > 0 ? `${stage.step} of ${stage.totalSteps}` : '';
  switch (kind) {
    case 'model':
      return told.model ? formatCount(told.model.parameters) : '';
    case 'data': {
      const sets = Object.values(experiment.data).length;
      return `${sets} ${sets === 1 ? 'set' : 'sets'}`;
    }
    case 'pretrain':
    case 'sft':
      return change(columns, columns.has('eval_loss') ? 'eval_loss' : 'loss') || counted;
    case 'reward': {
      const accuracy = columns.last('eval_accuracy') ?? columns.last('accuracy');
      return accuracy === null ? counted : formatPercent(accuracy);
    }
    case 'ppo':
      return change(columns, 'objective/scores') || counted;
    case 'pairs': {
      const pairs = columns.last('pairs');
      return pairs === null ? counted : `${formatCount(pairs)} pairs`;
    }
    case 'evaluate': {
      const last = headline(told.report)?.values.at(-1);
      return last ? formatPercent(last.interval.value) : counted;
    }
    default:
      return change(columns, LINE[kind] ?? 'loss') || counted;
  }
}

function change(columns: MetricColumns, key: string): string {
  const first = columns.first(key);
  const last = columns.last(key);
  if (first === null || last === null) return '';
  return columns.steps.length > 1 ? `${formatFixed(first)} → ${formatFixed(last)}` : formatFixed(last);
}

const LINE: Partial<Record<Station['kind'], string>> = {
  pretrain: 'loss',
  sft: 'loss',
  reward: 'accuracy',
  ppo: 'objective/scores',
  dpo: 'rewards/margins',
  kto: 'rewards/margins',
  orpo: 'rewards/margins',
  simpo: 'rewards/margins',
  grpo: 'objective/scores',
  rloo: 'objective/scores',
  reinforce: 'objective/scores',
  online_dpo: 'objective/scores',
  rft: 'objective/scores',
};

/** The course of a station's main metric as points of an SVG polyline, 48 wide and 12 high; empty if too short. */
export function sparkline(told: Told, { name, kind }: Station): string {
  const key = LINE[kind];
  const columns = told.columns(name);
  if (!key || columns.steps.length < 3) return '';
  const column = columns.column(key);
  const kept = pointsToDraw([column], 40) ?? column.map((_, i) => i);
  const values = kept.map((i) => column[i]).filter((value) => value !== null && value !== undefined);
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const total = Math.max(1, values.length - 1);
  return values
    .map((value, i) => `${((i * 48) / total).toFixed(1)},${(12 - ((value - low) * 12) / span).toFixed(1)}`)
    .join(' ');
}
