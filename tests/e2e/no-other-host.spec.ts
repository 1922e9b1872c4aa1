// Until a person names a model to fetch, the site speaks to its own host alone. Two witnesses: every request of page
// and worker as the browser tells of it, and a proxy that all other hosts would have to be reached through. The content
// security policy must not have had to stop anything either.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test as base } from '@playwright/test';

/** Chromium itself asks this one when a page has a form. */
const browsersOwn = 'content-autofill.googleapis.com:443';

/** A proxy that refuses everything and remembers what it was asked for. */
const test = base.extend<{ asked: string[] }>({
  asked: [[], { option: true }],
  proxy: async ({ asked }, use) => {
    const server: Server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(502).end();
    });
    server.on('connect', (request, socket) => {
      if (request.url !== browsersOwn) asked.push(request.url ?? '');
      socket.end('HTTP/1.1 502 Refused\r\n\r\n');
    });
    await new Promise<void>((done) => server.listen(0, 'localhost', done));
    const { port } = server.address() as AddressInfo;
    await use({ server: `http://localhost:${port}`, bypass: 'localhost' });
    server.close();
  },
});

test('the page asks its own host only, and no policy is broken', async ({
  page,
  context,
  baseURL,
  asked,
}) => {
  const own = new URL(baseURL ?? '').host;
  const requests: string[] = [];
  const complaints: string[] = [];
  context.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => {
    if (/content security policy|failed to load|net::err/i.test(message.text()))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));

  await page.goto('/?live');
  await expect
    .poll(() => requests.some((url) => url.endsWith('/model.safetensors')), {
      message: 'the bundled model is loaded',
      timeout: 60_000,
    })
    .toBe(true);
  await page.waitForLoadState('networkidle');

  expect(requests.filter((url) => !/^(data|blob):/.test(url) && new URL(url).host !== own)).toEqual([]);
  expect(asked).toEqual([]);
  expect(complaints).toEqual([]);
});

test('a request to another host would be seen', async ({ page, asked }) => {
  await page.goto('/');
  const refused = await page.evaluate(() =>
    fetch('https://huggingface.co/api/models').then(
      () => false,
      () => true,
    ),
  );
  expect(refused).toBe(true);
  expect(asked).toEqual(['huggingface.co:443']);
});

test('the served page is isolated, so that wasm threads work', async ({ page }) => {
  await page.goto('/');
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
});
