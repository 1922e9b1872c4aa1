// Where the worker finds files by the names that commands give: models and data of the site, directories that the
// command line lends under /files/, and the stores of runs.

import type { ReadBytes } from '../data/sources';
import { hubDirectory } from '../model/hub';
import type { LoadProgress, ReadFile } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import { piecesOf } from '../shared/pieces';
import type { ModelSource } from '../shared/protocol';
import { siteFile } from '../shared/site';
import { httpRunStore } from '../storage/http-store';
import { idbRunStore } from '../storage/idb-store';
import { openOwn, readOwn, ROWS } from '../storage/own-store';
import type { RunStore } from '../storage/run-store';

const DIRECTORY = 'dir:';
const BUNDLED = 'bundled:';
const HUB = 'hf:';
const OWN = 'own:';

/** The files of a model or adapter: `bundled:NAME`, `dir:URL`, `own:NAME`, or `hf:OWNER/NAME`, whose progress is told. */
export function directoryOf(
  source: ModelSource,
  onProgress: LoadProgress = () => {},
  signal?: AbortSignal,
): ReadFile {
  if (source.startsWith(HUB)) return hubDirectory(source, { onProgress, ...(signal && { signal }) });
  if (source.startsWith(DIRECTORY)) {
    return served((path) => `${source.slice(DIRECTORY.length)}/${path}`, signal);
  }
  if (source.startsWith(BUNDLED)) {
    return served((path) => siteFile(`models/${source.slice(BUNDLED.length)}/${path}`), signal);
  }
  if (source.startsWith(OWN)) {
    const name = source.slice(OWN.length);
    const read = (path: string) => readOwn('model', name, path);
    const open = async (path: string) => {
      const blob = await openOwn('model', name, path);
      return blob && piecesOf(blob.stream());
    };
    return Object.assign(read, { open });
  }
  throw new PlaygroundError(
    'not-found',
    `There is no model "${source}".`,
    'Name it as bundled:NAME, hf:OWNER/NAME, or a directory in Hugging Face layout.',
  );
}

/** What reads the data files of a run: null where there is none. A run kept in this browser has its own beside its
 *  experiment, as `preferences.jsonl` made of a person's judgements. */
export function dataOf(runId: string | null): ReadBytes {
  const own = runId === null || runId.startsWith(DIRECTORY) ? null : idbRunStore(runId);
  return async ({ at, path }) => {
    if (at === 'own') return broughtAlong(path, own);
    return at === 'site' ? fetched(siteFile(path)) : ((await own?.read(path)) ?? fetched(path));
  };
}

/** What a person brought along (`NAME`, or `NAME/FILE` of an adapter). A run keeps the rows as they were when it first
 *  read them, so that it goes on with the same ones wherever it is opened again. */
async function broughtAlong(path: string, run: RunStore | null): Promise<Uint8Array | null> {
  const [name = '', file] = path.split('/');
  if (file !== undefined) return readOwn('adapter', name, file);
  const copy = `own/${name}.jsonl`;
  const kept = await run?.read(copy);
  if (kept) return kept;
  const bytes = await readOwn('data', name, ROWS);
  if (bytes) await run?.write(copy, bytes);
  return bytes;
}

/** The files of a run: `dir:URL` for the command line's, else one kept in this browser. */
export function storeOf(runId: string): RunStore {
  return runId.startsWith(DIRECTORY) ? httpRunStore(runId.slice(DIRECTORY.length)) : idbRunStore(runId);
}

/** Files of a server. */
const served = (url: (path: string) => string, signal?: AbortSignal): ReadFile =>
  Object.assign((path: string) => fetched(url(path), signal), {
    open: async (path: string) => {
      const body = (await answer(url(path), signal))?.body;
      return body ? coming(body, url(path), signal) : null;
    },
  });

async function fetched(url: string, signal?: AbortSignal): Promise<Uint8Array | null> {
  const response = await answer(url, signal);
  return response && new Uint8Array(await response.arrayBuffer());
}

/** What breaks off is told as what is not there at all. */
async function* coming(
  body: ReadableStream<Uint8Array>,
  url: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    yield* piecesOf(body);
  } catch (error) {
    signal?.throwIfAborted();
    throw unread(url, `it broke off (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** Null where there is no such file. Throws the signal's reason once it is aborted. */
async function answer(url: string, signal?: AbortSignal): Promise<Response | null> {
  const response = await fetch(url, signal && { signal }).catch(() => null);
  signal?.throwIfAborted();
  if (response?.status === 404) return null;
  if (response?.ok) {
    // A server that answers every address with the page has no such file either.
    if (response.headers.get('content-type')?.startsWith('text/html')) return null;
    return response;
  }
  throw unread(url, response ? `status ${response.status}` : 'no answer');
}

const unread = (url: string, why: string): PlaygroundError =>
  new PlaygroundError(
    'download-failed',
    `${url} could not be read: ${why}.`,
    'See that the server still runs, then try again.',
  );
