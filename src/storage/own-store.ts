// What a person brings along, kept in this browser under names: rows of data, adapters and models. An experiment
// refers to one as `own:NAME`.

import type { DBSchema } from 'idb';
import { database } from './database';

export type OwnKind = 'data' | 'adapter' | 'model';

export interface Own {
  name: string;
  files: number;
  bytes: number;
}

interface OwnSchema extends DBSchema {
  files: { key: [kind: OwnKind, name: string, path: string]; value: Blob };
}

/** The one file of `data`: rows as JSONL. */
export const ROWS = 'rows.jsonl';

const guarded = database<OwnSchema>('rlhf-playground-own', 'files');

/** A high character that sorts after every path. */
const END = '￿';

const filesOf = (kind: OwnKind, name: string) => IDBKeyRange.bound([kind, name, ''], [kind, name, END]);

/** One file as it lies on the disk, from which pieces can be read; null if there is none. */
export function openOwn(kind: OwnKind, name: string, path: string): Promise<Blob | null> {
  return guarded(`reading ${name}`, async (db) => (await db.get('files', [kind, name, path])) ?? null);
}

/** The bytes of one file, null if there is none. */
export async function readOwn(kind: OwnKind, name: string, path: string): Promise<Uint8Array | null> {
  const blob = await openOwn(kind, name, path);
  return blob && guarded(`reading ${name}`, async () => new Uint8Array(await blob.arrayBuffer()));
}

/** Keeps files under a name, in the place of all that was under it: all of them or, if that fails, none. */
export function writeOwn(kind: OwnKind, name: string, files: ReadonlyMap<string, Blob>): Promise<void> {
  return guarded(`keeping ${name}`, async (db) => {
    const transaction = db.transaction('files', 'readwrite');
    await Promise.all([
      transaction.store.delete(filesOf(kind, name)),
      ...Array.from(files, ([path, blob]) => transaction.store.put(blob, [kind, name, path])),
      transaction.done,
    ]);
  });
}

/** Keeps rows of data, as JSONL. */
export function writeRows(name: string, jsonl: string): Promise<void> {
  return writeOwn('data', name, new Map([[ROWS, new Blob([jsonl])]]));
}

/** All there is of a kind, by name. */
export function listOwn(kind: OwnKind): Promise<Own[]> {
  return guarded('listing what is kept', async (db) => {
    const found = new Map<string, Own>();
    const range = IDBKeyRange.bound([kind], [kind, []]); // An array sorts after every text.
    let cursor = await db.transaction('files').store.openCursor(range);
    while (cursor) {
      const [, name] = cursor.key;
      const own = found.get(name) ?? { name, files: 0, bytes: 0 };
      found.set(name, { name, files: own.files + 1, bytes: own.bytes + cursor.value.size });
      cursor = await cursor.continue();
    }
    return [...found.values()];
  });
}

export function removeOwn(kind: OwnKind, name: string): Promise<void> {
  return guarded(`removing ${name}`, (db) => db.delete('files', filesOf(kind, name)));
}
