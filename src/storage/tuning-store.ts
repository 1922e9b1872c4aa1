// What was measured to be fastest on this machine, by the name of its graphics adapter, so that it is measured once.

import type { DBSchema } from 'idb';
import { database } from './database';

interface TuningSchema extends DBSchema {
  kernels: { key: string; value: unknown };
}

const guarded = database<TuningSchema>('rlhf-playground-tuning', 'kernels');

/** What was remembered of an adapter, as this or another version of the page wrote it; null if nothing was. */
export function readTuning(adapter: string): Promise<unknown> {
  return guarded('reading what was measured', async (db) => (await db.get('kernels', adapter)) ?? null);
}

export function writeTuning(adapter: string, choice: object): Promise<void> {
  return guarded('remembering what was measured', async (db) => {
    await db.put('kernels', choice, adapter);
  });
}
