// The runs kept in this browser, as their table shows them: what each was started with, how it ended, what a person
// wrote about it and how much room it takes. A deleted run can be brought back as long as the table is open.

import type { Experiment } from '../../shared/experiment';
import type { Report } from '../../shared/protocol';
import { deleteRun, idbRunStore, listRuns, runSizes } from '../../storage/idb-store';
import { shownReport } from '../lib/judged';
import { type About, readAbout, writeAbout } from '../state/about';
import { isHeld } from '../state/locks';
import { experimentOf, reportOf } from '../state/saved';

/** Absent where the page came over plain http. */
const { storage } = navigator as { storage?: StorageManager };

export interface RunEntry {
  runId: string;
  experiment: Experiment;
  about: About;
  report: Report | null;
  /** Some tab is at work on it, perhaps this one. */
  held: boolean;
  bytes: number;
}

export class RunList {
  /** Newest first. */
  runs = $state.raw<RunEntry[]>([]);
  /** Bytes this site uses of what the browser lets it have; null where it does not say. */
  room = $state.raw<{ used: number; quota: number } | null>(null);
  deleted = $state.raw<{ entry: RunEntry; files: [path: string, bytes: Uint8Array][] } | null>(null);

  async load(): Promise<void> {
    const sizes = await runSizes();
    const entries = await Promise.all((await listRuns()).reverse().map((runId) => this.read(runId, sizes)));
    this.runs = entries.filter((entry) => entry !== null);
    const { usage, quota } = (await storage?.estimate()) ?? {};
    this.room = usage === undefined || quota === undefined ? null : { used: usage, quota };
  }

  private async read(runId: string, sizes: ReadonlyMap<string, number>): Promise<RunEntry | null> {
    const experiment = await experimentOf(runId);
    if (!experiment) return null;
    const [about, told, held] = await Promise.all([readAbout(runId), reportOf(runId), isHeld(runId)]);
    const report = shownReport(experiment, told);
    return { runId, experiment, about, report, held, bytes: sizes.get(runId) ?? 0 };
  }

  /** Writes down a name or notes; an empty text takes them away. */
  async write(runId: string, change: Pick<About, 'title' | 'notes'>): Promise<void> {
    const about = { ...(await readAbout(runId)), ...change };
    if (!about.title) delete about.title;
    if (!about.notes) delete about.notes;
    await writeAbout(runId, about);
    this.runs = this.runs.map((entry) => (entry.runId === runId ? { ...entry, about } : entry));
  }

  /** Forgets a run; only the last one can be brought back. */
  async remove(entry: RunEntry): Promise<void> {
    const store = idbRunStore(entry.runId);
    const files: [string, Uint8Array][] = [];
    for (const path of await store.list('')) files.push([path, (await store.read(path)) ?? new Uint8Array()]);
    await deleteRun(entry.runId);
    this.deleted = { entry, files };
    await this.load();
  }

  async bringBack(): Promise<void> {
    if (!this.deleted) return;
    const store = idbRunStore(this.deleted.entry.runId);
    for (const [path, bytes] of this.deleted.files) await store.write(path, bytes);
    this.deleted = null;
    await this.load();
  }
}
