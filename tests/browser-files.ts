// Model directories of this repository as the loader reads them, in the browser tests.

import type { ReadFile } from '../src/model/types';

const urls = import.meta.glob<string>(
  ['./fixtures/**/*.{json,safetensors}', '../models/**/*.{json,safetensors}'],
  {
    query: '?url',
    import: 'default',
    eager: true,
  },
);

/** Reads files of a directory given relative to tests/. */
export function directory(path: string): ReadFile {
  const root = path.startsWith('.') ? path : `./${path}`;
  return async (file) => {
    const url = urls[`${root}/${file}`];
    if (url === undefined) return null;
    return new Uint8Array(await (await fetch(url)).arrayBuffer());
  };
}
