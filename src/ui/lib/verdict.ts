// The result in one sentence: the measure that counts of base, SFT and the last trained checkpoint, with their
// intervals, and the rest of the report as rows of a table.

import type { Interval, Report } from '../../shared/protocol';
import { methodNamed } from '../../shared/methods';
import { type Metric, metricOf } from '../../shared/metrics';
import { formatFixed, formatPercent, titleOf } from './format';

export interface HeadlineValue {
  checkpoint: string;
  label: string;
  interval: Interval;
}

export interface Headline {
  metric: string;
  /** The measure's own name. */
  label: string;
  share: boolean;
  values: HeadlineValue[];
}

/** What the sentence is about: the judge's verdict, where there is one, else what was trained for. */
const METRICS = ['happy', 'reward', 'finish_rate'];

/** What a checkpoint is called on the page. */
export function checkpointLabel(checkpoint: string): string {
  if (checkpoint === 'base') return 'base model';
  const label = methodNamed(checkpoint)?.label;
  return label === undefined ? checkpoint.replaceAll('-', ' ') : `after ${label}`;
}

/** The measure that counts of the checkpoints in the order in which they were trained, or null without a report. */
export function headline(report: Report | null): Headline | null {
  const told = Object.entries(report?.evaluation ?? {}).filter(
    ([checkpoint]) => checkpoint === 'base' || methodNamed(checkpoint),
  );
  const metric = METRICS.find((name) => told.some(([, metrics]) => metrics[name]));
  if (metric === undefined) return null;
  const values = told.flatMap(([checkpoint, metrics]): HeadlineValue[] => {
    const interval = metrics[metric];
    return interval ? [{ checkpoint, label: checkpointLabel(checkpoint), interval }] : [];
  });
  const { label = metric, unit } = metricOf('evaluate', metric) ?? {};
  return { metric, label, share: unit === 'share', values };
}

/** A figure of the headline as it is written. */
export const showHeadline = ({ share }: Headline, value: number): string =>
  share ? formatPercent(value) : formatFixed(value);

export interface ReportRow {
  key: string;
  label: string;
  metric: Metric | undefined;
  /** One per checkpoint, in the report's order; empty texts where the checkpoint was not measured. */
  cells: { value: string; interval: string }[];
}

/** The report as rows of metrics, win rates last. */
export function reportRows(report: Report): ReportRow[] {
  const checkpoints = Object.keys(report.evaluation);
  const keys = [...new Set(Object.values(report.evaluation).flatMap((metrics) => Object.keys(metrics)))];
  const rows = keys.map((key) =>
    row(
      key,
      checkpoints.map((checkpoint) => report.evaluation[checkpoint]?.[key]),
    ),
  );
  const against = checkpoints.map((checkpoint) => report.comparisons[`${checkpoint}>sft`]?.win_rate);
  return against.some(Boolean) ? [...rows, row('win_rate', against)] : rows;
}

function row(key: string, intervals: (Interval | undefined)[]): ReportRow {
  const metric = metricOf('evaluate', key);
  const show = (value: number): string =>
    metric?.unit === 'share' ? formatPercent(value) : formatFixed(value);
  // The unit once: "47 to 55 %".
  const bare = (value: number): string => show(value).replace(/\s%$/, '');
  const cells = intervals.map((interval) =>
    interval
      ? { value: show(interval.value), interval: `${bare(interval.low)} to ${show(interval.high)}` }
      : { value: '', interval: '' },
  );
  return { key, label: metric?.label ?? titleOf(key), metric, cells };
}
