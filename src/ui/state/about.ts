// What a person has written about a run, and where the run came from: a file of its own beside the run's others, so
// that it travels with them.

import { idbRunStore } from '../../storage/idb-store';
import { readText, writeText } from '../../storage/run-store';

export interface About {
  /** In place of the experiment's name. */
  title?: string;
  notes?: string;
  /** The run whose adapters this one began with, and the judgements that its reward was trained on. */
  parent?: { runId: string; judgements: number };
}

const FILE = 'about.json';

export async function readAbout(runId: string): Promise<About> {
  const text = await readText(idbRunStore(runId), FILE);
  return text === null ? {} : (JSON.parse(text) as About);
}

export async function writeAbout(runId: string, about: About): Promise<void> {
  await writeText(idbRunStore(runId), FILE, JSON.stringify(about));
}
