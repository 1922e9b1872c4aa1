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

/** How far a run strayed from one that is pinned (longer or as long): the largest |Δ| of any metric beside its largest value
 *  over the steps they share, or beside 1e-3 where that is noise about 0. NaN where a metric is missing or new. `whole`
 *  sets it beside the largest value of the whole pinned run: for a few steps on other kernels, where a KL that has only
 *  begun is rounding magnified by Adam, whose first steps go by the gradient's signs. */
export function driftOf(run: Trajectory, pinned: Trajectory, { whole = false } = {}): number {
  const steps = Math.max(...Object.values(pinned).map(({ length }) => length));
  const drifts = Object.entries(pinned).map(([name, values]) => {
    // A look at held-out rows may lie beyond the steps that were taken; what is logged at each step may not be missing.
    const own = run[name] ?? (values.length < steps ? [] : [NaN]);
    const shared = values.slice(0, own.length);
    const largest = Math.max(...(whole ? values : shared).map(Math.abs), 1e-3);
    return Math.max(0, ...own.map((value, t) => Math.abs(value - shared[t]!) / largest));
  });
  return Object.keys(run).every((name) => name in pinned) ? Math.max(...drifts) : NaN;
}
