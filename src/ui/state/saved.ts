// The last run in this browser, as the page finds it when it opens: to be shown again if it finished, to be continued
// if it did not. The worker writes a run's files; the page adds only the experiment it was started with.

import type { Experiment } from '../../shared/experiment';
import type { ChangeRow, MetricsRow, Report, SampleRow } from '../../shared/protocol';
import type { RecordedRun } from '../../shared/recording';
import { parseExperiment } from '../../shared/validate';
import { idbRunStore, listRuns } from '../../storage/idb-store';
import { readText, writeText } from '../../storage/run-store';
import { pickSamples } from '../lib/samples';
import { noteRuns } from './visit';

export interface RunName {
  runId: string;
  experiment: Experiment;
}

export interface SavedRun extends RunName {
  metrics: MetricsRow[];
  samples: SampleRow[];
  /** Settings that were changed while it was at work. */
  changes: ChangeRow[];
  /** Null if the run has not finished. */
  report: Report | null;
}

const EXPERIMENT_FILE = 'experiment.json';

/** A name for a run that begins now: names in alphabetical order are in the order of time. */
export function newRunId(experiment: string): string {
  return `${new Date().toISOString().slice(0, 19).replaceAll(':', '-')} ${experiment}`;
}

const RECORDED = 'recorded ';

/** The name under which a recording is kept as a run of this browser. */
export function recordedRunId({ experiment: { name, seed } }: Pick<RecordedRun, 'experiment'>): string {
  return `${RECORDED}${name}, seed ${seed}`;
}

/** Whether a run came here as a recording, and was not computed here. */
export function cameRecorded(runId: string): boolean {
  return runId.startsWith(RECORDED);
}

/** Writes down what a run was started with, before its first step. */
export async function rememberRun({ runId, experiment }: RunName): Promise<void> {
  noteRuns();
  await writeText(idbRunStore(runId), EXPERIMENT_FILE, JSON.stringify(experiment));
}

/** The newest run of this browser's own, or null if this browser has none that can be read. */
export async function lastRun(): Promise<SavedRun | null> {
  const runIds = (await listRuns()).filter((runId) => !cameRecorded(runId));
  for (const runId of runIds.reverse()) {
    const saved = await savedRun(runId).catch(() => null);
    if (saved) return saved;
  }
  return null;
}

/** What a run has written so far, or null if it cannot be read. */
export async function savedRun(runId: string): Promise<SavedRun | null> {
  const experiment = await experimentOf(runId);
  if (experiment === null) return null;
  const store = idbRunStore(runId);
  return {
    runId,
    experiment,
    metrics: await metricsOf(runId),
    samples: await samplesOf(runId),
    changes: parseLines<ChangeRow>(await readText(store, 'changes.jsonl')),
    report: await reportOf(runId),
  };
}

export async function metricsOf(runId: string): Promise<MetricsRow[]> {
  return parseLines<MetricsRow>(await readText(idbRunStore(runId), 'metrics.jsonl'));
}

/** Null of a run that has not finished. */
export async function reportOf(runId: string): Promise<Report | null> {
  const text = await readText(idbRunStore(runId), 'report.json');
  return text === null ? null : (JSON.parse(text) as Report);
}

/** What a run was started with; null for one of another version of the playground, which this could not go on with. */
export async function experimentOf(runId: string): Promise<Experiment | null> {
  const text = await readText(idbRunStore(runId), EXPERIMENT_FILE);
  try {
    return text === null ? null : parseExperiment(text, EXPERIMENT_FILE).experiment;
  } catch {
    return null;
  }
}

/** What a run's checkpoints wrote, as much of it as a person will look at. */
export async function samplesOf(runId: string): Promise<SampleRow[]> {
  return pickSamples((await readText(idbRunStore(runId), 'samples.jsonl')) ?? '', 12);
}

/** Every ending that a run's evaluation looked at, by checkpoint. */
export async function endingsOf(runId: string): Promise<Map<string, string[]>> {
  const endings = new Map<string, string[]>();
  for (const line of ((await readText(idbRunStore(runId), 'samples.jsonl')) ?? '').split('\n').slice(0, -1)) {
    const checkpoint = /"checkpoint":"([^"]*)"/.exec(line.slice(0, 200))?.[1];
    // Watched samples have a step in their checkpoint's name, or no KL; opponents of best-of-n are no choice to compare.
    if (!checkpoint || checkpoint.includes('@') || checkpoint.endsWith('-opponent')) continue;
    const { completion, kl } = JSON.parse(line) as SampleRow;
    if (kl === undefined) continue;
    const list = endings.get(checkpoint) ?? [];
    endings.set(checkpoint, list);
    list.push(completion);
  }
  return endings;
}

/** Rows of our own JSONL; a last line that a closing tab cut short, and one that was damaged, are left out. */
function parseLines<T>(text: string | null): T[] {
  return (text ?? '')
    .split('\n')
    .slice(0, -1)
    .flatMap((line): T[] => {
      try {
        return [JSON.parse(line) as T];
      } catch {
        return [];
      }
    });
}

/** Copies the data that a run keeps beside its experiment to a new run of the same data. */
export async function carryData({ data }: Experiment, from: string | null, to: string): Promise<void> {
  if (from === null) return;
  const store = idbRunStore(from);
  const places = Object.values(data as Record<string, string>).filter((place) => !/^\w+:/.test(place));
  for (const path of (await Promise.all(places.map((place) => store.list(place)))).flat()) {
    const bytes = await store.read(path);
    if (bytes) await idbRunStore(to).write(path, bytes);
  }
}
