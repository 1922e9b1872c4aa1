// Other runs whose curves lie under those of the run on show: chosen in the table of runs, drawn by the charts, each
// with its own dash so that no run is told apart by colour alone.

import type { MetricsRow } from '../../shared/protocol';
import { type MetricColumns, MetricsBook } from '../lib/series';

export interface Overlay {
  runId: string;
  label: string;
  /** Metrics of a stage of that run; no steps where it had no such stage. */
  columns: (stage: string) => MetricColumns;
}

/** More curves than this in one chart cannot be told apart. */
const MOST_OVERLAYS = 4;

export class Overlays {
  list = $state.raw<Overlay[]>([]);

  has(runId: string): boolean {
    return this.list.some((overlay) => overlay.runId === runId);
  }

  get full(): boolean {
    return this.list.length >= MOST_OVERLAYS;
  }

  add(runId: string, label: string, metrics: readonly MetricsRow[]): void {
    if (this.has(runId) || this.full) return;
    const book = new MetricsBook();
    for (const row of metrics) book.append(row);
    this.list = [...this.list, { runId, label, columns: (stage) => book.of(stage) }];
  }

  remove(runId: string): void {
    this.list = this.list.filter((overlay) => overlay.runId !== runId);
  }
}
