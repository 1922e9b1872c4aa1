// The last run in this browser, as the page finds it when it opens: to be shown again if it finished, to be continued
// if it did not. The worker writes a run's files; the page adds only the experiment it was started with.

import type { Experiment } from '../../shared/experiment';
import type { MetricsRow, Report, SampleRow } from '../../shared/protocol';
import { parseExperiment } from '../../shared/validate';
import { idbRunStore, listRuns } from '../../storage/idb-store';
import { readText, writeText } from '../../storage/run-store';
import { pickSamples } from '../lib/samples';

export interface RunName {
  runId: string;
  experiment: Experiment;
}

export interface SavedRun extends RunName {
  metrics: MetricsRow[];
  samples: SampleRow[];
  /** Null if the run has not finished. */
  report: Report | null;
}

const EXPERIMENT_FILE = 'experiment.json';

/** A name for a run that begins now: names in alphabetical order are in the order of time. */
export function newRunId(experiment: string): string {
  return `${new Date().toISOString().slice(0, 19).replaceAll(':', '-')} ${experiment}`;
}

/** Writes down what a run was started with, before its first step. */
export async function rememberRun({ runId, experiment }: RunName): Promise<void> {
  await writeText(idbRunStore(runId), EXPERIMENT_FILE, JSON.stringify(experiment));
}

/** The newest run, or null if this browser has none that can be read. */
export async function lastRun(): Promise<SavedRun | null> {
  for (const runId of (await listRuns()).reverse()) {
    const store = idbRunStore(runId);
    const text = await readText(store, EXPERIMENT_FILE);
    if (text === null) continue;
    const experiment = parsed(text);
    if (experiment === null) continue;
    const report = await readText(store, 'report.json');
    return {
      runId,
      experiment,
      metrics: parseLines<MetricsRow>(await readText(store, 'metrics.jsonl')),
      samples: await samplesOf(runId),
      report: report === null ? null : (JSON.parse(report) as Report),
    };
  }
  return null;
}

/** Null for a run of another version of the playground, which this one could not go on with. */
function parsed(text: string): Experiment | null {
  try {
    return parseExperiment(text, EXPERIMENT_FILE).experiment;
  } catch {
    return null;
  }
}

/** What a run's checkpoints wrote, as much of it as a person will look at. */
export async function samplesOf(runId: string): Promise<SampleRow[]> {
  return pickSamples((await readText(idbRunStore(runId), 'samples.jsonl')) ?? '', 12);
}

/** Rows of our own JSONL; a last line that a closing tab cut short is left out. */
function parseLines<T>(text: string | null): T[] {
  const end = text?.lastIndexOf('\n') ?? -1;
  if (text === null || end < 0) return [];
  return text
    .slice(0, end)
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}
