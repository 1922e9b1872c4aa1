// A static server for the built site, with the headers of headers.ts. For the command line it also lends the worker
// some directories under /files/NAME/: only those named, only with the token, never a path outside them.
import { createReadStream } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { isolationHeaders, policyOf, workerPolicy } from './headers.ts';

/** A directory lent to the worker; `only` limits it to files of those names directly inside. */
export interface Mount {
  directory: string;
  writable: boolean;
  only?: string[];
}

interface ServerOptions {
  /** The folder of the built site. */
  site: string;
  /** 0 takes any free port. */
  port: number;
  mounts?: Record<string, Mount>;
  /** What the cookie `token` must say for /files to answer. */
  token?: string;
}

export interface Server {
  url: string;
  close: () => Promise<void>;
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** An answer other than 200, thrown from anywhere in a handler. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * The file a URL path names inside a directory. Links inside it are followed: the person named the directory, and the
 * Hugging Face cache is made of links. Throws a Refusal for a path that would leave it.
 */
function inside(directory: string, path: string): string {
  const full = resolve(directory, `.${sep}${path}`);
  const within = relative(directory, full);
  if (path.includes('\0') || path.includes('\\') || within === '..' || within.startsWith(`..${sep}`)) {
    throw new Refusal(403, 'outside of the directory');
  }
  return full;
}

async function sendFile(response: ServerResponse, path: string): Promise<void> {
  const info = await stat(path).catch(() => null);
  if (!info?.isFile()) throw new Refusal(404, 'no such file');
  const type = types[extname(path)] ?? 'application/octet-stream';
  response.writeHead(200, {
    'content-type': type,
    'content-length': info.size,
    'cache-control': 'no-cache',
    'content-security-policy': extname(path) === '.html' ? policyOf(path) : workerPolicy,
  });
  await pipeline(createReadStream(path), response);
}

/** The files below a directory whose path starts with the prefix, relative, with forward slashes, sorted. */
async function listFiles(directory: string, prefix: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith(partial))
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => path.startsWith(prefix))
    .sort();
}

/** Ending of a file that is still being written; renamed when whole, so that a reader never sees half a file. */
const partial = '.partial';

async function answerMount(
  request: IncomingMessage,
  response: ServerResponse,
  mount: Mount,
  url: URL,
  path: string,
) {
  const full = inside(mount.directory, path);
  if (mount.only && !(mount.only.includes(path) && dirname(full) === resolve(mount.directory))) {
    throw new Refusal(403, 'not one of the files lent');
  }
  if (request.method === 'GET') {
    const prefix = url.searchParams.get('list');
    if (prefix === null) return sendFile(response, full);
    response.setHeader('content-type', 'application/json');
    return void response.end(JSON.stringify(await listFiles(full, prefix)));
  }
  if (!mount.writable) throw new Refusal(403, 'lent for reading only');
  if (full === resolve(mount.directory)) throw new Refusal(400, 'names no file');
  if (request.method === 'DELETE') await rm(full, { force: true });
  else {
    const body = await buffer(request);
    await mkdir(dirname(full), { recursive: true });
    if (request.method === 'POST') await appendFile(full, body);
    else if (request.method === 'PUT') {
      await writeFile(`${full}${partial}`, body);
      await rename(`${full}${partial}`, full);
    } else throw new Refusal(405, 'GET, PUT, POST or DELETE');
  }
  response.writeHead(204).end();
}

function cookie(request: IncomingMessage, name: string): string | undefined {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([key]) => key === name)?.[1];
}

/**
 * Serves the site (and the mounts) on localhost. The site's own files, models aside, are read once at the start: a
 * rebuild during a long run does not pull the code from under it.
 */
export async function serve({ site, port, mounts = {}, token }: ServerOptions): Promise<Server> {
  const code = new Map<string, Buffer>();
  for (const path of await listFiles(site, '')) {
    if (/\.(html|js|css|wasm)$/.test(path)) code.set(path, await readFile(join(site, path)));
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const path = decodeURIComponent(url.pathname).slice(1);
    const [, name, rest] = /^files\/([^/]+)\/(.*)$/s.exec(path) ?? [];
    if (name !== undefined && rest !== undefined) {
      if (token === undefined || cookie(request, 'token') !== token) throw new Refusal(403, 'no valid token');
      const mount = Object.hasOwn(mounts, name) ? mounts[name] : undefined;
      if (!mount) throw new Refusal(404, 'no such directory');
      return answerMount(request, response, mount, url, rest);
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refusal(405, 'GET only');
    const file = path === '' || path.endsWith('/') ? `${path}index.html` : path;
    const content = code.get(file);
    if (!content) return sendFile(response, inside(site, file));
    response.writeHead(200, {
      'content-type': types[extname(file)],
      'content-length': content.length,
      'cache-control': 'no-cache',
      'content-security-policy': extname(file) === '.html' ? policyOf(file) : workerPolicy,
    });
    response.end(content);
  }

  const server = createServer((request, response) => {
    for (const [key, value] of Object.entries(isolationHeaders)) response.setHeader(key, value);
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) return response.destroy();
      const status = error instanceof Refusal ? error.status : error instanceof URIError ? 400 : 500;
      response.writeHead(status, { 'content-type': 'text/plain' });
      response.end(error instanceof Error ? error.message : String(error));
    });
  });
  // A worker under Node that computes for seconds would not notice an idle connection being closed, and write into it.
  server.keepAliveTimeout = 0;
  await new Promise<void>((done, fail) => {
    server.once('error', fail).listen(port, 'localhost', done);
  });
  const address = server.address();
  const actual = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://localhost:${actual}/`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** A mount that lends one file for reading, and the URL path under which it is found. */
export function lendFile(name: string, file: string): { mount: Mount; path: string } {
  const only = [basename(file)];
  return {
    mount: { directory: dirname(resolve(file)), writable: false, only },
    path: `/files/${name}/${encodeURIComponent(basename(file))}`,
  };
}
