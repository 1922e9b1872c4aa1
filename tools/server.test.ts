import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lendFile, serve, type Server } from './server.ts';

const token = 'f00d';
let folder: string;
let server: Server;

interface Answer {
  status: number;
  text: string;
  headers: Record<string, string | string[] | undefined>;
}

/** A request whose path is sent as written: fetch would tidy `..` away before it leaves. */
function ask(method: string, path: string, { cookie = `token=${token}`, body = '' } = {}): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const sent = request(
      { hostname, port, path, method, headers: { cookie, 'content-length': body.length } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
        );
      },
    );
    sent.on('error', reject).end(body);
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'server-test-'));
  for (const part of ['site', 'out', 'model', 'data']) await mkdir(join(folder, part));
  await writeFile(join(folder, 'site/index.html'), '<p>page</p>');
  await writeFile(join(folder, 'site/app.js'), '1');
  await writeFile(join(folder, 'secret.txt'), 'secret');
  await writeFile(join(folder, 'model/config.json'), '{}');
  await writeFile(join(folder, 'data/rows.jsonl'), '{"prompt":"a"}');
  await writeFile(join(folder, 'data/other.txt'), 'secret');
  const lent = lendFile('data', join(folder, 'data/rows.jsonl'));
  const mounts = {
    out: { directory: join(folder, 'out'), writable: true },
    model: { directory: join(folder, 'model'), writable: false },
    data: lent.mount,
  };
  server = await serve({ site: join(folder, 'site'), port: 0, mounts, token });
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

describe('the site', () => {
  test('is isolated and kept to its own files by policy', async () => {
    const { status, text, headers } = await ask('GET', '/', { cookie: '' });
    expect([status, text]).toEqual([200, '<p>page</p>']);
    expect(headers['cross-origin-opener-policy']).toBe('same-origin');
    expect(headers['cross-origin-embedder-policy']).toBe('require-corp');
    expect(headers['content-security-policy']).toContain("script-src 'self' 'wasm-unsafe-eval';");
    expect(headers['content-security-policy']).not.toMatch(/unsafe-inline|'unsafe-eval'/);
  });

  test('closes no idle connection under a client that is too busy to notice', async () => {
    const { headers } = await fetch(server.url);
    expect([headers.get('connection'), headers.get('keep-alive')]).toEqual(['keep-alive', null]);
  });

  test('cannot be written', async () => {
    expect((await ask('PUT', '/index.html', { body: 'x' })).status).toBe(405);
    expect(await readFile(join(folder, 'site/index.html'), 'utf8')).toBe('<p>page</p>');
  });
});

describe('no path leads out', () => {
  test.each([
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/files/model/../../secret.txt',
    '/files/model/..%2f..%2fsecret.txt',
    '/files/model/%2e%2e/secret.txt',
    '/files/model/..%5csecret.txt',
    '/files/model//etc/passwd',
    '/files/model/config.json%00',
    '/files/data/other.txt',
    '/files/data/../secret.txt',
    '/files/data/?list=',
    '/files/..%2f/secret.txt',
    '/files/constructor/x',
    '/files/out/%zz',
  ])('GET %s', async (path) => {
    const { status, text } = await ask('GET', path);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text).not.toContain('secret');
  });

  test.each(['PUT', 'POST', 'DELETE'])('%s outside of the directory', async (method) => {
    expect((await ask(method, '/files/out/../secret.txt', { body: 'x' })).status).toBeGreaterThanOrEqual(400);
    expect((await ask(method, '/files/out/..%2fsecret.txt', { body: 'x' })).status).toBe(403);
    expect(await readFile(join(folder, 'secret.txt'), 'utf8')).toBe('secret');
  });

  test('a directory lent for reading is not written', async () => {
    for (const method of ['PUT', 'POST', 'DELETE']) {
      expect((await ask(method, '/files/model/config.json', { body: 'x' })).status).toBe(403);
    }
    expect(await readFile(join(folder, 'model/config.json'), 'utf8')).toBe('{}');
  });
});

describe('the token', () => {
  test.each(['', 'token=', 'token=food', 'other=f00d'])(
    'without it (%s) nothing is read or written',
    async (cookie) => {
      expect((await ask('GET', '/files/model/config.json', { cookie })).status).toBe(403);
      expect((await ask('PUT', '/files/out/a', { cookie, body: 'x' })).status).toBe(403);
    },
  );
});

test('files are written, added to, listed, read and removed', async () => {
  expect((await ask('GET', '/files/out/a/b.txt')).status).toBe(404);
  expect((await ask('PUT', '/files/out/a/b.txt', { body: 'one' })).status).toBe(204);
  expect((await ask('POST', '/files/out/a/b.txt', { body: ' two' })).status).toBe(204);
  expect((await ask('POST', '/files/out/metrics.jsonl', { body: '{}' })).status).toBe(204);
  expect((await ask('GET', '/files/out/a/b.txt')).text).toBe('one two');
  expect((await ask('GET', '/files/out/?list=')).text).toBe('["a/b.txt","metrics.jsonl"]');
  expect((await ask('GET', '/files/out/?list=a/')).text).toBe('["a/b.txt"]');
  expect((await ask('DELETE', '/files/out/a/b.txt')).status).toBe(204);
  expect((await ask('DELETE', '/files/out/a/b.txt')).status).toBe(204);
  expect((await ask('GET', '/files/out/?list=a')).text).toBe('[]');
  expect((await ask('GET', '/files/data/rows.jsonl')).text).toBe('{"prompt":"a"}');
});
