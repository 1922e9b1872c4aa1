// The first rows that an experiment learns from, with the texts that training makes of them. A run keeps some beside it for
// a recording to bring along: once it is made, its data may be changed or left behind, and whoever opens the recording may
// have neither the files nor a tokenizer.

import { inspectRows, maskRow, type ReadText } from '../data/inspect';
import { readSource } from '../data/sources';
import { PlaygroundError } from '../shared/errors';
import { FIRST_ROWS, type FirstRowsByPart, storedText } from '../shared/first-rows';
import { DATA_PARTS, type DataPart, type DataRow } from '../shared/look';
import { writeText } from '../storage/run-store';
import type { Workshop } from './workshop';

/** A page of the list that shows them. */
const ROWS = 15;

/** What it takes to read rows as training does. */
export type Reading = Pick<Workshop, 'experiment' | 'model' | 'readData'>;

export async function keepFirstRows(workshop: Workshop): Promise<void> {
  const kept: FirstRowsByPart = {};
  for (const part of DATA_PARTS) {
    try {
      const first = await firstRows(workshop, part, ROWS);
      if (first) kept[part] = { ...first, texts: first.texts.map((texts) => texts.map(storedText)) };
    } catch (error) {
      // No stage has missed a part that cannot be read: it would have said so.
      if (!(error instanceof PlaygroundError)) throw error;
    }
  }
  await writeText(workshop.store, FIRST_ROWS, `${JSON.stringify(kept)}\n`);
}

/** Up to `count` of the first rows without problems and the texts made of each; null of a part that is not given. Throws
 *  `not-found`, `bad-data`. */
export async function firstRows(
  { experiment, model, readData }: Reading,
  part: DataPart,
  count: number,
): Promise<{ total: number; rows: DataRow[]; texts: ReadText[][] } | null> {
  const source = experiment.data[part];
  if (source === undefined) return null;
  const { rows, total, problems } = inspectRows(await readSource(source, readData), source, part);
  const bad = new Set(problems.map(({ line }) => line));
  const first = rows.filter(({ line }) => !bad.has(line)).slice(0, count);
  return { total, rows: first, texts: first.map((row) => maskRow(row, source, part, model)) };
}
