// Rows of metrics as columns, and how far a run strayed from one that is pinned.

import type { MetricsRow } from '../src/shared/protocol';

/** Each metric over the steps that have it: for a look at held-out rows fewer than for a loss. */
export type Trajectory = Record<string, number[]>;

export function columnsOf(rows: readonly MetricsRow[]): Trajectory {
  const columns: Trajectory = {};
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      if (typeof value === 'number' && !['step', 'eps'].includes(name))
        (columns[name] ??= []).push(Number(value.toPrecision(7)));
    }
  }
  return columns;
}

/** The largest |Δ| of any metric beside its largest pinned value, or beside 1e-3 where that is noise about 0; the run may
 *  be shorter than what is pinned. NaN where a metric is missing or new. */
export function driftOf(run: Trajectory, pinned: Trajectory): number {
  const steps = Math.max(...Object.values(pinned).map(({ length }) => length));
  const drifts = Object.entries(pinned).map(([name, values]) => {
    const own = run[name] ?? (values.length < steps ? [] : [NaN]);
    const largest = Math.max(...values.map(Math.abs), 1e-3);
    return Math.max(0, ...own.map((value, t) => Math.abs(value - values[t]!) / largest));
  });
  return Object.keys(run).every((name) => name in pinned) ? Math.max(...drifts) : NaN;
}
