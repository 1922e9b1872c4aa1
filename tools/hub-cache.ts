// Models of the Hugging Face hub that commands have fetched: kept in a folder of this machine, each once, so that the
// next command reads them from there and needs no network. They are lent to the worker as any directory is.
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { hubDirectory, type HubOptions } from '../src/model/hub.ts';
import { PlaygroundError } from '../src/shared/errors.ts';
import { HUB, hubFile, PIECES, pieceUrl, wholeOf } from '../src/shared/hub.ts';
import { joined } from '../src/shared/pieces.ts';
import { type LentModel, makeFolder } from './files.ts';

/** What a model may have beside its weights. */
const DESCRIPTIONS = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];
const INDEX = 'model.safetensors.index.json';
/** Written last, so that a folder that holds it is whole. */
const WHOLE = '.whole';

type Environment = Record<string, string | undefined>;

const cacheFolder = ({ XDG_CACHE_HOME: named }: Environment): string =>
  join(named && isAbsolute(named) ? named : join(homedir(), '.cache'), 'rlhf-playground', 'hub');

/** A model of the hub as the directory it is kept in, fetched if it is not there yet; any other as it is. `HF_ENDPOINT`
 *  names another host, as for Hugging Face's own tools. Throws `download-failed`, `not-found` or `storage-failed`. */
export async function fetchModel(lent: LentModel, env: Environment = process.env): Promise<LentModel> {
  const { model: source, base, mounts } = lent;
  if (!source.startsWith('hf:')) return lent;
  const [repository = '', revision = 'main'] = source.slice('hf:'.length).split('@');
  const directory = join(cacheFolder(env), `${repository}@${encodeURIComponent(revision)}`);
  if (!existsSync(join(directory, WHOLE))) await download(source, directory, env['HF_ENDPOINT'] ?? HUB);
  return {
    model: 'dir:/files/model',
    base,
    mounts: { ...mounts, model: { directory, writable: false } },
  };
}

async function download(source: string, directory: string, host: string): Promise<void> {
  let told = '';
  const read = hubDirectory(source, {
    host: host.replace(/\/+$/, ''),
    cache: filesOf(directory),
    onProgress: (path, _, total) => {
      if (path !== told) console.error(`fetching ${path} of ${source} (${(total / 1e6).toFixed(1)} MB)`);
      told = path;
    },
  });
  const fetched = async (path: string): Promise<AsyncIterable<Uint8Array> | null> => {
    const pieces = await read.open!(path);
    if (pieces === null || existsSync(join(directory, path))) return pieces;
    throw new PlaygroundError(
      'storage-failed',
      `${path} of ${source} could not be kept in ${directory}.`,
      'Make room there, or name another place as XDG_CACHE_HOME.',
    );
  };
  const needed = async (path: string): Promise<void> => {
    if (await fetched(path)) return;
    const fix =
      'A model needs config.json and model.safetensors (or its shards and their index): check the name.';
    throw new PlaygroundError('not-found', `${source} has no ${path} on the hub.`, fix);
  };
  const [config, ...others] = DESCRIPTIONS;
  await needed(config!);
  for (const path of others) await fetched(path);
  const index = await fetched(INDEX);
  for (const path of shardsOf(index && (await joined(index)))) await needed(path);
  writeFileSync(join(directory, WHOLE), '');
  console.error(`kept in ${directory}`);
}

/** The files of the weights; whether an index is in order is for the loader to say. */
function shardsOf(index: Uint8Array | null): string[] {
  if (!index) return ['model.safetensors'];
  const named = new TextDecoder().decode(index).match(/(?<=")[\w.-]+\.safetensors(?=")/g) ?? [];
  return [...new Set(named)];
}

/** A directory as the cache of downloads: what a request brought is a file, put in its place when it is whole. Until then
 *  its pieces stand beside it, the first line of each the server's name of the version. */
function filesOf(directory: string): NonNullable<HubOptions['cache']> {
  const place = (request: RequestInfo | URL): string => {
    const url = typeof request === 'string' ? request : 'url' in request ? request.url : request.href;
    return join(directory, hubFile(url)!.path);
  };
  const partOf = (path: string) => {
    const bytes = readFileSync(path);
    const end = bytes.indexOf('\n');
    return { version: bytes.toString('latin1', 0, end), body: bytes.subarray(end + 1) };
  };
  return {
    match: (request) => {
      const path = place(request);
      if (!existsSync(path)) return Promise.resolve(undefined);
      if (wholeOf(path) === null) return Promise.resolve(new Response(readFileSync(path)));
      const { version, body } = partOf(path);
      return Promise.resolve(new Response(body, { headers: { etag: version } }));
    },
    put: async (request, response) => {
      const path = place(request);
      const bytes = new Uint8Array(await response.arrayBuffer());
      const version = Buffer.from(`${response.headers.get('etag') ?? ''}\n`, 'latin1');
      const pieces = Number(response.headers.get(PIECES) ?? 0);
      const parts = Array.from({ length: pieces }, (_, i) => pieceUrl(path, i));
      const unfinished = `${path}.${process.pid}`;
      makeFolder(dirname(path));
      try {
        writeFileSync(unfinished, wholeOf(path) === null ? bytes : Buffer.concat([version, bytes]));
        for (const part of parts) appendFileSync(unfinished, partOf(part).body);
        renameSync(unfinished, path);
        for (const part of parts) rmSync(part);
      } finally {
        rmSync(unfinished, { force: true });
      }
    },
    delete: (request) => {
      const there = existsSync(place(request));
      rmSync(place(request), { force: true });
      return Promise.resolve(there);
    },
  };
}
