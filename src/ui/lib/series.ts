// Metrics as columns, the layout uPlot draws: one column of steps per stage and one per metric, null where a step
// has no value (held-out loss every 25 steps). Rows arrive one by one; nothing is copied until a chart draws.

import type { MetricsRow } from '../../shared/protocol';

export class MetricColumns {
  readonly steps: number[] = [];
  /** The rows as they came, for checks that read several metrics at once. */
  readonly rows: MetricsRow[] = [];
  private readonly columns = new Map<string, (number | null)[]>();

  /** Adds a row. A step at or before the last one means the run went back to a checkpoint: later rows are dropped. */
  append(row: MetricsRow): void {
    this.truncate(row.step);
    for (const key of Object.keys(row)) {
      const value = row[key];
      if (key === 'step' || typeof value !== 'number') continue;
      const column = this.columns.get(key) ?? new Array<null>(this.steps.length).fill(null);
      this.columns.set(key, column);
      column.push(Number.isFinite(value) ? value : null);
    }
    this.steps.push(row.step);
    this.rows.push(row);
    for (const column of this.columns.values()) if (column.length < this.steps.length) column.push(null);
  }

  /** Column of a metric, as long as `steps`; all null if the metric never came. */
  column(key: string): (number | null)[] {
    return this.columns.get(key) ?? new Array<null>(this.steps.length).fill(null);
  }

  /** The values of a metric that are there. */
  values(key: string): number[] {
    return this.columns.get(key)?.filter((value) => value !== null) ?? [];
  }

  has(key: string): boolean {
    return this.columns.has(key);
  }

  get keys(): string[] {
    return [...this.columns.keys()];
  }

  /** Last value that is there, or null. */
  last(key: string): number | null {
    return this.columns.get(key)?.findLast((value) => value !== null) ?? null;
  }

  /** First value that is there, or null. */
  first(key: string): number | null {
    return this.columns.get(key)?.find((value) => value !== null) ?? null;
  }

  private truncate(step: number): void {
    let keep = this.steps.length;
    while (keep > 0 && (this.steps[keep - 1] ?? 0) >= step) keep -= 1;
    if (keep === this.steps.length) return;
    this.steps.length = keep;
    this.rows.length = keep;
    for (const column of this.columns.values()) column.length = keep;
  }
}

/** Metrics of a run, stage by stage. */
export class MetricsBook {
  private readonly stages = new Map<string, MetricColumns>();

  append(row: MetricsRow): void {
    const columns = this.of(row.stage);
    this.stages.set(row.stage, columns);
    columns.append(row);
  }

  of(stage: string): MetricColumns {
    return this.stages.get(stage) ?? new MetricColumns();
  }
}

/**
 * Which points to draw of aligned columns: all if they are at most `limit`, else the index of the lowest and of the
 * highest value of each column in every bucket, so that no spike is lost. Ascending, first and last point included.
 */
export function pointsToDraw(
  columns: readonly (readonly (number | null)[])[],
  limit: number,
): number[] | null {
  const length = columns[0]?.length ?? 0;
  if (length <= limit) return null;
  const kept = new Set<number>([0, length - 1]);
  const buckets = Math.max(1, Math.floor(limit / (2 * columns.length)));
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = Math.floor((bucket * length) / buckets);
    const to = Math.floor(((bucket + 1) * length) / buckets);
    for (const column of columns) {
      let low = -1;
      let high = -1;
      for (let i = from; i < to; i++) {
        const value = column[i];
        if (value === null || value === undefined) continue;
        if (low < 0 || value < (column[low] ?? 0)) low = i;
        if (high < 0 || value > (column[high] ?? 0)) high = i;
      }
      if (low >= 0) kept.add(low).add(high);
    }
  }
  return [...kept].sort((a, b) => a - b);
}
