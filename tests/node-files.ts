// Model directories of this repository as the loader reads them, under Node.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ReadFile } from '../src/model/types';

/** Reads files of a directory given relative to the repository's root. */
export function nodeDirectory(directory: string): ReadFile {
  const root = fileURLToPath(new URL(`../${directory}/`, import.meta.url));
  return (path) =>
    readFile(root + path).then(
      (bytes) => new Uint8Array(bytes),
      () => null,
    );
}

export async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8')) as T;
}
