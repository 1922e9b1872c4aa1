// Files of a model on the Hugging Face hub: fetched once with progress, then kept in the browser's Cache. A download
// that breaks off is an error; what had come is kept apart, and the next one asks for the rest. A file in the cache under
// its own name is whole.

import { PlaygroundError } from '../shared/errors';
import { HUB, HUB_CACHE, hubUrl, PART } from '../shared/hub';
import { piecesOf } from '../shared/pieces';
import type { LoadProgress, ReadFile } from './types';

export interface HubOptions {
  host?: string;
  fetch?: typeof fetch;
  /** Null keeps nothing; default: the Cache API where there is one (not under Node, not on insecure pages). */
  cache?: FileCache | null;
  onProgress?: LoadProgress;
  signal?: AbortSignal;
}

type FileCache = Pick<Cache, 'match' | 'put'> & Partial<Pick<Cache, 'delete'>>;

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
  const keptOf = async (path: string) => {
    const url = hubUrl(host, repository, revision, path);
    const cache = options.cache === undefined ? await openCache() : options.cache;
    return { url, cache, kept: await cache?.match(url) };
  };
  const read: ReadFile = async (path) => {
    const { url, cache, kept } = await keptOf(path);
    if (kept) return new Uint8Array(await kept.arrayBuffer());
    const download = new Download(await begunPart(cache, url));
    try {
      let response = await get(url, download.request(signal));
      if (response.status === 416) {
        // Nothing is left of a file that has become shorter.
        download.forget();
        response = await get(url, download.request(signal));
      }
      if (response.status === 404) return null;
      if (!response.ok) throw refused(source, path, response.status);
      const bytes = await download.read(response, (loaded, total) => onProgress(path, loaded, total));
      // A full disk is no reason not to use what has come.
      await cache?.put(url, new Response(bytes)).catch(() => {});
      await cache?.delete?.(url + PART);
      return bytes;
    } catch (error) {
      await download.keep(cache, url);
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
  /** What is kept lies on the disk, and is read from there. */
  const open = async (path: string): Promise<AsyncIterable<Uint8Array> | null> => {
    const before = await keptOf(path);
    if (before.kept?.body) return piecesOf(before.kept.body);
    const bytes = await read(path);
    const { kept } = await keptOf(path);
    const body = kept ? kept.body : bytes && new Response(bytes as Uint8Array<ArrayBuffer>).body;
    return body && piecesOf(body);
  };
  return Object.assign(read, { open });
}

async function openCache(): Promise<FileCache | null> {
  return 'caches' in globalThis ? caches.open(HUB_CACHE).catch(() => null) : null;
}

interface Part {
  bytes: Uint8Array<ArrayBuffer>;
  /** The server's name for this version of the file, '' if it gave none. */
  etag: string;
}

async function begunPart(cache: FileCache | null, url: string): Promise<Part | null> {
  const kept = await cache?.match(url + PART);
  return kept
    ? { bytes: new Uint8Array(await kept.arrayBuffer()), etag: kept.headers.get('etag') ?? '' }
    : null;
}

/** One file on its way, perhaps from the middle. */
class Download {
  private chunks: Uint8Array<ArrayBuffer>[] = [];
  private etag = '';

  constructor(private begun: Part | null) {}

  forget(): void {
    this.begun = null;
  }

  request(signal: AbortSignal | undefined): RequestInit {
    const from = this.begun?.bytes.length ?? 0;
    return { ...(signal && { signal }), ...(from > 0 && { headers: { range: `bytes=${from}-` } }) };
  }

  /** The whole file; throws if it ends before the length that the server announced. */
  async read(
    response: Response,
    onProgress: (loaded: number, total: number) => void,
  ): Promise<Uint8Array<ArrayBuffer>> {
    this.etag = response.headers.get('etag') ?? '';
    const { begun } = this;
    if (begun && response.status === 206) {
      if (begun.etag !== this.etag) {
        this.forget();
        throw new Error('the file has changed meanwhile');
      }
      this.chunks.push(begun.bytes);
    }
    let loaded = this.length;
    const total = loaded + Number(response.headers.get('content-length') ?? 0);
    const reader = response.body?.getReader();
    for (;;) {
      const chunk = await reader?.read();
      if (!chunk?.value) break;
      this.chunks.push(chunk.value);
      loaded += chunk.value.length;
      onProgress(loaded, Math.max(loaded, total));
    }
    // More than announced is no fault: the length is of the compressed body, where there is one.
    if (loaded < total) throw new Error(`${loaded} of ${total} bytes came`);
    return this.bytes();
  }

  /** Keeps what has come, if that is more than was there. */
  async keep(cache: FileCache | null, url: string): Promise<void> {
    if (this.length === 0 && this.begun) return;
    if (this.length === 0) await cache?.delete?.(url + PART);
    else
      await cache
        ?.put(url + PART, new Response(this.bytes(), { headers: { etag: this.etag } }))
        .catch(() => {});
  }

  private get length(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0);
  }

  private bytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
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
