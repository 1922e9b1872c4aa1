// The one number that tells of a station at a glance, and the small line beside it.

import type { Experiment } from '../../shared/experiment';
import { methodNamed, methodOf, stepName, type StageKind } from '../../shared/methods';
import { metricOf } from '../../shared/metrics';
import type { ModelReport, Report } from '../../shared/protocol';
import { formatCount, formatFixed, formatPercent, uncapital } from './format';
import type { StageProgress } from './progress';
import { pointsToDraw, type MetricColumns } from './series';
import type { Station } from './stations';
import { headline, showHeadline } from './verdict';

/** What of a session the numbers are taken from. */
export interface Told {
  model: ModelReport | null;
  report: Report | null;
  stage(name: string): StageProgress | null;
  columns(name: string): MetricColumns;
}

export interface KeyNumber {
  figure: string;
  /** What it is a number of. */
  of: string;
}

/** "5.9 million parameters", "2.31 → 1.74 loss", "81 % accuracy", "12 of 30 updates": null while there is none. */
export function keyNumber(told: Told, { name, kind }: Station, experiment: Experiment): KeyNumber | null {
  const stage = told.stage(name);
  const counted =
    stage && stage.step > 0 ? { figure: `${stage.step} of ${stage.totalSteps}`, of: steps(kind) } : null;
  switch (kind) {
    case 'model':
      return told.model && { figure: formatCount(told.model.parameters), of: 'parameters' };
    case 'data': {
      const sets = Object.values(experiment.data).length;
      return { figure: String(sets), of: sets === 1 ? 'set' : 'sets' };
    }
    case 'evaluate': {
      const result = headline(told.report);
      const last = result?.values.at(-1);
      if (!result || !last) return counted;
      return { figure: showHeadline(result, last.interval.value), of: uncapital(result.label) };
    }
    default:
      return headlineOf(told.columns(name), kind) ?? counted;
  }
}

function steps(kind: string): string {
  const step = stepName(kind);
  return step === 'batch' ? 'batches' : `${step}s`;
}

function headlineOf(columns: MetricColumns, kind: StageKind): KeyNumber | null {
  const told = methodOf(kind).headline;
  if (!told) return null;
  const { metric, heldOut, shows } = told;
  const key = heldOut !== undefined && columns.has(heldOut) ? heldOut : metric;
  const last = columns.last(key);
  if (last === null) return null;
  const figure = { share: formatPercent, count: formatCount, change: () => change(columns, key) }[shows](
    last,
  );
  return { figure, of: uncapital(metricOf(kind, metric)?.label ?? '') };
}

function change(columns: MetricColumns, key: string): string {
  const first = columns.first(key);
  const last = columns.last(key);
  if (first === null || last === null) return '';
  return columns.steps.length > 1 ? `${formatFixed(first)} → ${formatFixed(last)}` : formatFixed(last);
}

/** The course of a station's main metric as points of an SVG polyline, 48 wide and 12 high; empty if too short. */
export function sparkline(told: Told, { name, kind }: Station): string {
  const figure = methodNamed(kind)?.headline;
  const columns = told.columns(name);
  if (!figure || figure.shows === 'count' || columns.steps.length < 3) return '';
  const column = columns.column(figure.metric);
  const kept = pointsToDraw([column], 40) ?? column.map((_, i) => i);
  const values = kept.map((i) => column[i]).filter((value) => value !== null && value !== undefined);
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const total = Math.max(1, values.length - 1);
  return values
    .map((value, i) => `${((i * 48) / total).toFixed(1)},${(12 - ((value - low) * 12) / span).toFixed(1)}`)
    .join(' ');
}
