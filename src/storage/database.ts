// The way to IndexedDB: one connection to each database, opened when it is first needed and again when the browser or
// another tab closed it, and failures in words.

import { type DBSchema, type IDBPDatabase, openDB, type StoreNames } from 'idb';
import { PlaygroundError } from '../shared/errors';

/** Does something with the database; `doing` ends the sentence "failed while …". Throws `storage-failed`. */
export type WithDatabase<S extends DBSchema> = <T>(
  doing: string,
  action: (db: IDBPDatabase<S>) => Promise<T>,
) => Promise<T>;

/** A database with a single store, whose keys stand beside its values. */
export function database<S extends DBSchema>(name: string, store: StoreNames<S>): WithDatabase<S> {
  let connection: Promise<IDBPDatabase<S>> | null = null;

  const opened = (): Promise<IDBPDatabase<S>> => {
    connection ??= openDB<S>(name, 1, {
      upgrade: (db) => void db.createObjectStore(store),
      // Another tab wants to change the database, or the browser closed it: the next call opens it anew.
      blocking: () => void close(),
      terminated: () => (connection = null),
    });
    return connection;
  };

  const close = async (): Promise<void> => {
    const open = connection;
    connection = null;
    (await open)?.close();
  };

  return async (doing, action) => {
    try {
      return await action(await opened());
    } catch (error) {
      connection = null;
      const reason = error instanceof Error ? error.message || error.name : String(error);
      throw new PlaygroundError(
        'storage-failed',
        `The browser’s storage failed while ${doing}: ${reason}`,
        'Free some disk space or allow this site to store data, then resume the run.',
      );
    }
  };
}
