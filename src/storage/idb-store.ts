// Runs in the page's IndexedDB: one record a file, keyed by [run, path], so that reading, replacing and listing are
// single transactions and a closed tab leaves whole files behind.

import type { DBSchema } from 'idb';
import { database } from './database';
import type { RunStore } from './run-store';

interface RunSchema extends DBSchema {
  files: { key: [run: string, path: string]; value: Uint8Array };
}

const guarded = database<RunSchema>('rlhf-playground-runs', 'files');

/** A high character that sorts after every path. */
const END = '￿';

const filesOf = (runId: string, prefix = '') => IDBKeyRange.bound([runId, prefix], [runId, prefix + END]);

/** The files of one run. Runs come to be with their first file. */
export function idbRunStore(runId: string): RunStore {
  return {
    read: (path) => guarded(`reading ${path}`, async (db) => (await db.get('files', [runId, path])) ?? null),
    write: (path, bytes) =>
      guarded(`writing ${path}`, async (db) => {
        await db.put('files', bytes, [runId, path]);
      }),
    append: (path, text) =>
      guarded(`writing ${path}`, async (db) => {
        const transaction = db.transaction('files', 'readwrite');
        const old = await transaction.store.get([runId, path]);
        const added = new TextEncoder().encode(text);
        const bytes = new Uint8Array((old?.length ?? 0) + added.length);
        if (old) bytes.set(old);
        bytes.set(added, old?.length ?? 0);
        await transaction.store.put(bytes, [runId, path]);
        await transaction.done;
      }),
    list: (prefix) =>
      guarded(`listing ${prefix}`, async (db) =>
        (await db.getAllKeys('files', filesOf(runId, prefix))).map(([, path]) => path),
      ),
    remove: (path) => guarded(`removing ${path}`, (db) => db.delete('files', [runId, path])),
  };
}

/** The ids of all runs kept in this browser, sorted. */
export function listRuns(): Promise<string[]> {
  return guarded('listing runs', async (db) => [
    ...new Set((await db.getAllKeys('files')).map(([runId]) => runId)),
  ]);
}

/** Bytes of each run's files. */
export function runSizes(): Promise<Map<string, number>> {
  return guarded('measuring runs', async (db) => {
    const sizes = new Map<string, number>();
    // One file at a time: all of them at once may be more than fits in memory.
    for (let at = await db.transaction('files').store.openCursor(); at; at = await at.continue()) {
      const [runId] = at.key;
      sizes.set(runId, (sizes.get(runId) ?? 0) + at.value.length);
    }
    return sizes;
  });
}

/** Forgets a run with all its files. */
export function deleteRun(runId: string): Promise<void> {
  return guarded('deleting a run', (db) => db.delete('files', filesOf(runId)));
}
