// Keeps the first rows that a run learns from beside it, for a recording to bring along: once the run is made, its data may
// be changed or left behind, and whoever opens the recording may have neither the files nor a tokenizer.

import { inspectRows, maskRow } from '../data/inspect';
import { readSource } from '../data/sources';
import { FIRST_ROWS, type FirstRows, type FirstRowsByPart, storedText } from '../shared/first-rows';
import { DATA_PARTS, type DataPart } from '../shared/look';
import { writeText } from '../storage/run-store';
import type { Workshop } from './workshop';

/** A page of the list that shows them. */
const ROWS = 15;

export async function keepFirstRows(workshop: Workshop): Promise<void> {
  const kept: FirstRowsByPart = {};
  for (const part of DATA_PARTS) {
    const first = await firstRows(workshop, part);
    if (first) kept[part] = first;
  }
  await writeText(workshop.store, FIRST_ROWS, `${JSON.stringify(kept)}\n`);
}

/** Null of a part that is not given, or that no stage has missed though it cannot be read. */
async function firstRows(
  { experiment, model, readData }: Pick<Workshop, 'experiment' | 'model' | 'readData'>,
  part: DataPart,
): Promise<FirstRows | null> {
  const source = experiment.data[part];
  if (source === undefined) return null;
  try {
    const { rows, total } = inspectRows(await readSource(source, readData), source, part);
    const first = rows.slice(0, ROWS);
    const texts = first.map((row) => maskRow(row, source, part, model).map(storedText));
    return { total, rows: first, texts };
  } catch {
    return null;
  }
}
