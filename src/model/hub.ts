// Files of a model on the Hugging Face hub: fetched once with progress, then kept in the browser's Cache. A download
// that breaks off is an error; what had come is kept (hub-download.ts), and the next one asks for the rest.

import { PlaygroundError } from '../shared/errors';
import { HUB, HUB_CACHE, hubUrl } from '../shared/hub';
import { joined } from '../shared/pieces';
import { Download, type FileCache, keptPieces } from './hub-download';
import type { LoadProgress, ReadFile } from './types';

export interface HubOptions {
  host?: string;
  fetch?: typeof fetch;
  /** Null keeps nothing; default: the Cache API where there is one (not under Node, not on insecure pages). */
  cache?: FileCache | null;
  onProgress?: LoadProgress;
  signal?: AbortSignal;
  /** Bytes of the pieces that a large file is kept in. */
  piece?: number;
}

/**
 * The directory `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION` (a branch, tag or commit; default main). Reading throws
 * `download-failed`, and the signal's reason once it is aborted.
 */
export function hubDirectory(source: string, options: HubOptions = {}): ReadFile {
  const { host = HUB, fetch: get = fetch, onProgress = () => {}, signal } = options;
  const name = /^hf:([\w.-]+\/[\w.-]+?)(?:@([\w./-]+))?$/.exec(source);
  if (!name || source.includes('..')) {
    throw new PlaygroundError(
      'bad-arguments',
      `"${source}" does not name a model on the hub`,
      'Write hf:OWNER/NAME or hf:OWNER/NAME@REVISION.',
    );
  }
  const [, repository = '', revision = 'main'] = name;
  const open = async (path: string): Promise<AsyncIterable<Uint8Array> | null> => {
    const url = hubUrl(host, repository, revision, path);
    const cache = options.cache === undefined ? await openCache() : options.cache;
    const kept = await keptPieces(cache, url);
    if (kept) return kept;
    const download = new Download(cache, url, options.piece);
    await download.begin();
    try {
      let response = await get(url, download.request(signal));
      if (response.status === 416) {
        // Nothing is left of a file that has become shorter.
        await download.forget();
        response = await get(url, download.request(signal));
      }
      if (response.status === 404) return null;
      if (!response.ok) throw refused(source, path, response.status);
      await download.read(response, (loaded, total) => onProgress(path, loaded, total));
      return await download.finish();
    } catch (error) {
      await download.keep();
      signal?.throwIfAborted();
      if (error instanceof PlaygroundError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new PlaygroundError(
        'download-failed',
        `the download of ${path} of ${source} broke off: ${why}`,
        'Check the connection and try again: it goes on from what has come.',
      );
    }
  };
  const read: ReadFile = async (path) => {
    const pieces = await open(path);
    return pieces && joined(pieces);
  };
  return Object.assign(read, { open });
}

async function openCache(): Promise<FileCache | null> {
  return 'caches' in globalThis ? caches.open(HUB_CACHE).catch(() => null) : null;
}

function refused(source: string, path: string, status: number): PlaygroundError {
  const hidden = status === 401 || status === 403;
  return new PlaygroundError(
    'download-failed',
    `the hub refused ${path} of ${source} with status ${status}`,
    hidden
      ? 'The model does not exist, is private, or asks for an agreement first: use one that is open.'
      : 'Try again later.',
  );
}
