// Files of a model on the Hugging Face hub: fetched once with progress, then kept in the browser's Cache. A download
// that breaks off is an error and leaves nothing behind; what is in the cache is whole.

import { PlaygroundError } from '../shared/errors';
import type { LoadProgress, ReadFile } from './types';

export interface HubOptions {
  host?: string;
  fetch?: typeof fetch;
  /** Null keeps nothing; default: the Cache API where there is one (not under Node, not on insecure pages). */
  cache?: Pick<Cache, 'match' | 'put'> | null;
  onProgress?: LoadProgress;
  signal?: AbortSignal;
}

const CACHE = 'hub-files';

/**
 * The directory `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION` (a branch, tag or commit; default main). Reading throws
 * `download-failed`, and the signal's reason once it is aborted.
 */
export function hubDirectory(source: string, options: HubOptions = {}): ReadFile {
  const { host = 'https://huggingface.co', fetch: get = fetch, onProgress = () => {}, signal } = options;
  const name = /^hf:([\w.-]+\/[\w.-]+?)(?:@([\w./-]+))?$/.exec(source);
  if (!name || source.includes('..')) {
    throw new PlaygroundError(
      'bad-arguments',
      `"${source}" does not name a model on the hub`,
      'Write hf:OWNER/NAME or hf:OWNER/NAME@REVISION.',
    );
  }
  const [, repository = '', revision = 'main'] = name;
  return async (path) => {
    const url = `${host}/${repository}/resolve/${encodeURIComponent(revision)}/${path}`;
    const cache = options.cache === undefined ? await openCache() : options.cache;
    const kept = await cache?.match(url);
    if (kept) return new Uint8Array(await kept.arrayBuffer());
    try {
      const response = await get(url, signal ? { signal } : {});
      if (response.status === 404) return null;
      if (!response.ok) throw refused(source, path, response.status);
      const bytes = await readBody(response, (loaded, total) => onProgress(path, loaded, total));
      // A full disk is no reason not to use what has come.
      await cache?.put(url, new Response(bytes)).catch(() => {});
      return bytes;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof PlaygroundError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new PlaygroundError(
        'download-failed',
        `the download of ${path} of ${source} broke off: ${why}`,
        'Check the connection and try again; nothing of the broken file was kept.',
      );
    }
  };
}

async function openCache(): Promise<Cache | null> {
  return 'caches' in globalThis ? caches.open(CACHE).catch(() => null) : null;
}

/** The whole body; throws if it ends before the length that the server announced. */
async function readBody(
  response: Response,
  onProgress: (loaded: number, total: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const total = Number(response.headers.get('content-length') ?? 0);
  const chunks: Uint8Array[] = [];
  let loaded = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (!chunk?.value) break;
    chunks.push(chunk.value);
    loaded += chunk.value.length;
    onProgress(loaded, Math.max(loaded, total));
  }
  // More than announced is no fault: the length is of the compressed body, where there is one.
  if (loaded < total) throw new Error(`${loaded} of ${total} bytes came`);
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
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
