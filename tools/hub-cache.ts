// Models of the Hugging Face hub that commands have fetched: kept in a folder of this machine, each once, so that the
// next command reads them from there and needs no network. They are lent to the worker as any directory is.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { hubDirectory, type HubOptions } from '../src/model/hub.ts';
import { PlaygroundError } from '../src/shared/errors.ts';
import { HUB, hubFile, PART } from '../src/shared/hub.ts';
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
  const fetched = async (path: string): Promise<Uint8Array | null> => {
    const bytes = await read(path);
    if (bytes === null || existsSync(join(directory, path))) return bytes;
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
  for (const path of shardsOf(await fetched(INDEX))) await needed(path);
  writeFileSync(join(directory, WHOLE), '');
  console.error(`kept in ${directory}`);
}

/** The files of the weights; whether an index is in order is for the loader to say. */
function shardsOf(index: Uint8Array | null): string[] {
  if (!index) return ['model.safetensors'];
  const named = new TextDecoder().decode(index).match(/(?<=")[\w.-]+\.safetensors(?=")/g) ?? [];
  return [...new Set(named)];
}

/** A directory as the cache of downloads: what a request brought is a file, put in its place when it is whole. The
 *  beginning of one that broke off stands beside it, its first line the server's name of the version. */
function filesOf(directory: string): NonNullable<HubOptions['cache']> {
  const place = (request: RequestInfo | URL): string => {
    const url = typeof request === 'string' ? request : 'url' in request ? request.url : request.href;
    return join(directory, hubFile(url)!.path);
  };
  const isPart = (path: string): boolean => path.endsWith(PART);
  return {
    match: (request) => {
      const path = place(request);
      if (!existsSync(path)) return Promise.resolve(undefined);
      const bytes = readFileSync(path);
      if (!isPart(path)) return Promise.resolve(new Response(bytes));
      const end = bytes.indexOf('\n');
      const headers = { etag: bytes.toString('latin1', 0, end) };
      return Promise.resolve(new Response(bytes.subarray(end + 1), { headers }));
    },
    put: async (request, response) => {
      const path = place(request);
      const bytes = new Uint8Array(await response.arrayBuffer());
      const version = Buffer.from(`${response.headers.get('etag') ?? ''}\n`, 'latin1');
      const unfinished = `${path}.${process.pid}`;
      makeFolder(dirname(path));
      try {
        writeFileSync(unfinished, isPart(path) ? Buffer.concat([version, bytes]) : bytes);
        renameSync(unfinished, path);
      } finally {
        rmSync(unfinished, { force: true });
      }
    },
    delete: (request) => {
      rmSync(place(request), { force: true });
      return Promise.resolve(true);
    },
  };
}
