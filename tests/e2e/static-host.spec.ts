// The built site on a host that sends no headers of its own, in a folder of it: the page isolates itself, so that the
// wasm engine has its threads there too.
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { expect, test } from '@playwright/test';

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};
let server: Server;
let address: string;

test.beforeAll(async () => {
  server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://host').pathname.replace(/^\/playground\//, '');
    const file = path === '' ? 'index.html' : path;
    readFile(join('dist', file)).then(
      (bytes) => {
        const type = types[extname(file)] ?? 'application/octet-stream';
        response.writeHead(200, { 'content-type': type }).end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((done) => server.listen(0, 'localhost', done));
  address = `http://localhost:${(server.address() as AddressInfo).port}/playground/`;
});

test.afterAll(() => server.close());

test('a host without headers still gives the wasm engine its threads', async ({ page }) => {
  let loads = 0;
  page.on('load', () => loads++);
  await page.goto(`${address}?backend=wasm`);
  await expect.poll(() => loads, { timeout: 60_000 }).toBe(2);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  await expect(page.getByText(/CPU, [2-9]\d* threads/).first()).toBeAttached({ timeout: 60_000 });
  await page.reload();
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  expect(loads).toBe(3);
});
