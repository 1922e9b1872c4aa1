// ONE table of every metric that is logged or reported: tooltips, charts, health checks and documentation read it.
// Names are TRL's where TRL logs the same thing; `trl` says where ours is computed differently, and why. The rows stand by
// subject in metrics-*.ts, and the row of each method (methods.ts) names those it logs.

import { canBeSet } from './advice';
import { methodOf, STAGE_KINDS, type StageKind } from './methods';
import type { SettingKey } from './settings';

export interface MetricRow {
  name: string;
  label: string;
  unit: 'nats' | 'nats a token' | 'share' | 'tokens' | 'points' | 'a second' | '';
  /** What the number is and tells, in plain words. */
  tells: string;
  /** Both ends belong to it; a metric with none is read by its curve alone. */
  healthy?: { min?: number; max?: number };
  /** What a bad curve looks like and means. */
  bad: string;
  /** What to change then, the likeliest first; what a stage and those before it cannot set is left out there. */
  try: readonly SettingKey[];
  /** `ours`: TRL logs nothing like it. `same`: by TRL's definition. Otherwise how it differs. */
  trl: string;
}

export interface Metric extends MetricRow {
  /** The kinds of stages that log it. */
  stages: readonly StageKind[];
}

const ROWS = new Set(STAGE_KINDS.flatMap((kind) => methodOf(kind).metrics));

export const METRICS: readonly Metric[] = Array.from(ROWS, (row) => ({
  ...row,
  stages: STAGE_KINDS.filter((kind) => methodOf(kind).metrics.includes(row)),
}));

/** The metric as logged by a stage (`ppo`, or by name `ppo-2`), with what can be tried there; undefined when the table has
 *  none. A star in a name of the table stands for one word. */
export function metricOf(stage: string, name: string): Metric | undefined {
  const kind = STAGE_KINDS.find((known) => known === stage.replace(/-\d+$/, ''));
  if (kind === undefined) return undefined;
  const found = METRICS.filter(({ stages }) => stages.includes(kind));
  const metric =
    found.find((each) => each.name === name) ??
    found.find((each) => each.name.includes('*') && pattern(each.name).test(name));
  if (!metric) return undefined;
  return { ...metric, try: metric.try.filter((key) => canBeSet(key, stage)) };
}

const pattern = (name: string): RegExp => new RegExp(`^${name.replace('*', '[^/]+')}$`);
