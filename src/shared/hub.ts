// How files of the Hugging Face hub are named and kept in the browser's Cache: for the worker, which fetches them, and
// for the page, which lists and removes them.

export const HUB = 'https://huggingface.co';

/** The name of the Cache. */
export const HUB_CACHE = 'hub-files';

/** Where piece `i`, from 0 on, of the file at an address is kept. */
export const pieceUrl = (url: string, i: number): string => `${url}.part${i}`;

/** The address of the file that an address is of a piece of; null for any other. */
export const wholeOf = (url: string): string | null => /^(.*)\.part\d+$/.exec(url)?.[1] ?? null;

/** Header of what is kept under the address of a file that is kept in pieces: how many. */
export const PIECES = 'x-pieces';

/** The address of a file of a repository at a branch, tag or commit. */
export function hubUrl(host: string, repository: string, revision: string, path: string): string {
  return `${host}/${repository}/resolve/${encodeURIComponent(revision)}/${path}`;
}

/** The model (`hf:OWNER/NAME[@REVISION]`) and file of an address; null for any other address. */
export function hubFile(url: string): { source: string; path: string } | null {
  const [, repository = '', revision = '', path] =
    /^https?:\/\/[^/]+\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/([^?]+)$/.exec(url) ?? [];
  if (path === undefined) return null;
  const at = decodeURIComponent(revision);
  return { source: `hf:${repository}${at === 'main' ? '' : `@${at}`}`, path };
}
