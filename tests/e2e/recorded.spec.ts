// Recorded runs and links as a person meets them: a link received, a replay turned into a live run, one timeline, and
// what is passed on. The recording is of a real run, a very short one (tests/fixtures/recordings/README.md).

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test as base, type Page } from '@playwright/test';
import { fakeWorker } from './fixtures/fake-worker';
import { button, tab } from './fixtures/parts';
import { expectAccessible, traceWork, watch } from './fixtures/witness';

const FILE = 'tests/fixtures/recordings/kind-endings-tiny.recording';

const timeline = (page: Page) => page.getByRole('slider', { name: 'Timeline' });
const recordedBadge = (page: Page) => page.getByRole('region', { name: 'Recording' });

interface Host {
  url: string;
  asked: string[];
}

/** Another host, which lends its files to any page, and remembers what it was asked for. */
const test = base.extend<{ host: Host }>({
  host: async ({ baseURL }, use) => {
    const { hostname } = new URL(baseURL ?? '');
    const asked: string[] = [];
    const server: Server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const path = { '/run.recording': FILE, '/experiment.json': 'experiments/kind-endings-no-kl.json' }[
        request.url ?? ''
      ];
      response.writeHead(path ? 200 : 404, { 'access-control-allow-origin': '*' });
      response.end(path && readFileSync(path));
    });
    await new Promise<void>((done) => server.listen(0, hostname, done));
    await use({ url: `http://${hostname}:${(server.address() as AddressInfo).port}`, asked });
    server.close();
  },
});

async function openFile(page: Page, file: string | { name: string; mimeType: string; buffer: Buffer }) {
  await button(page, /^Experiment: /).click();
  const chooser = page.waitForEvent('filechooser');
  await button(page, /^Open a file/).click();
  await (await chooser).setFiles(file);
}

test.use({ actionTimeout: 30_000 });

test('a link received: nothing is fetched before one agrees, and nothing runs by itself', async ({
  page,
  host,
}) => {
  const witness = watch(page);
  const url = encodeURIComponent(`${host.url}/run.recording`);
  await page.goto(`./#v=1&open=${url}&ppo.kl_coef=0.01&at=ppo@2`);
  await expect(page.getByRole('heading', { name: /^Fetch a file from localhost/ })).toBeVisible();
  await expectAccessible(page);
  expect(host.asked).toEqual([]);

  await button(page, 'Fetch it').click();
  await expect(recordedBadge(page)).toContainText('Recorded');
  await expect(timeline(page)).toHaveAttribute('aria-valuetext', /^PPO, update 2 of 3/);
  await expect(button(page, 'Play')).toBeVisible();
  await expect(tab(page, 'PPO')).toHaveAttribute('aria-selected', 'true');
  await expect(page.getByRole('textbox', { name: 'KL coefficient' })).toHaveValue('0.01');
  await expect(tab(page, 'PPO').getByTitle('Changed settings')).toContainText('1');
  expect(host.asked).toEqual(['/run.recording']);
  expect(page.workers()).toEqual([]);
  expect(witness.complaints).toEqual([]);
});

test('an experiment file elsewhere becomes what is edited; one that is not there is told of', async ({
  page,
  host,
}) => {
  await fakeWorker(page);
  await page.goto(`./#v=1&open=${encodeURIComponent(`${host.url}/experiment.json`)}&view=ppo`);
  await button(page, 'Fetch it').click();
  await expect(page.getByRole('textbox', { name: 'KL coefficient' })).toHaveValue('0');
  await expect(button(page, 'Run the three stages')).toBeVisible();
  await page.goto('about:blank');
  await page.goto(`./#v=1&open=${encodeURIComponent(`${host.url}/none.json`)}`);
  await button(page, 'Fetch it').click();
  await expect(page.getByRole('alert')).toContainText('status 404');
});

test('a link that is declined opens the page as it is, and asks nobody', async ({ page, host }) => {
  await fakeWorker(page);
  await page.goto(`./?live#v=1&open=${encodeURIComponent(`${host.url}/run.recording`)}`);
  await button(page, 'No').click();
  await expect(page.getByRole('heading', { name: /^Fetch/ })).toHaveCount(0);
  expect(host.asked).toEqual([]);
});

test('a link of settings, station and moment is what another page opens', async ({ page, context }) => {
  await fakeWorker(page);
  await page.goto('./?live');
  await tab(page, 'PPO').click();
  await page.getByRole('textbox', { name: 'KL coefficient' }).fill('0.33');
  await page.keyboard.press('Tab');
  await button(page, 'Share').click();
  const link = await page.getByRole('textbox', { name: 'Link' }).inputValue();
  expect(link).toMatch(/#v=1&experiment=kind-endings&ppo\.kl_coef=0\.33&view=ppo$/);
  await expect(page.getByRole('img', { name: 'The link as a QR code' })).toBeVisible();
  await expectAccessible(page);

  const other = await context.newPage();
  await fakeWorker(other);
  await other.goto(link.replace('#', '?live#'));
  await expect(tab(other, 'PPO')).toHaveAttribute('aria-selected', 'true');
  await expect(other.getByRole('textbox', { name: 'KL coefficient' })).toHaveValue('0.33');
});

test('a link that means nothing says so, and the page opens all the same', async ({ page }) => {
  await fakeWorker(page);
  await page.goto('./?live#v=1&ppo.kl_koef=1');
  await expect(page.getByRole('alert')).toContainText('ppo.kl_koef');
  await expect(button(page, 'Run the three stages')).toBeVisible();
});

test('one timeline: play, step, jump; charts and samples follow', async ({ page }) => {
  const witness = watch(page);
  await page.goto('./?live');
  await openFile(page, FILE);
  await expect(recordedBadge(page)).toBeVisible();
  await timeline(page).focus();
  await page.keyboard.press('End');
  await expect(timeline(page)).toHaveAttribute('aria-valuetext', /the latest$/);
  await expect(page.getByRole('contentinfo')).toContainText('Happy endings');

  await page.keyboard.press('Home');
  await expect(timeline(page)).toHaveAttribute('aria-valuetext', 'SFT, step 1 of 8');
  const loss = page.getByRole('slider', { name: /^Loss/ });
  await expect(loss).toHaveAttribute('aria-valuetext', /^Step 1:/);
  await expect(page.getByRole('combobox', { name: 'After' })).toHaveValue('base');
  for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowRight');
  await expect(loss).toHaveAttribute('aria-valuetext', /^Step 5:/);
  await expect(page.getByRole('combobox', { name: 'After' })).toHaveValue('sft@4');

  await button(page, 'One step on').click();
  await expect(timeline(page)).toHaveAttribute('aria-valuetext', 'SFT, step 6 of 8');
  await page.getByRole('combobox', { name: /^Speed/ }).selectOption('100');
  await button(page, 'Play').click();
  await expect(timeline(page)).toHaveAttribute('aria-valuetext', /the latest$/, { timeout: 30_000 });
  await expect(button(page, 'Play')).toBeVisible();

  await expectAccessible(page);
  expect(witness).toEqual({ complaints: [], foreign: [] });
});

test('while a run is at work the timeline looks back without stopping it', async ({ page }) => {
  await fakeWorker(page, { pace: 30 });
  await page.goto('./?live');
  await button(page, 'Run the three stages').click();
  await expect(tab(page, 'SFT')).toContainText('→', { timeout: 30_000 });
  await timeline(page).focus();
  await page.keyboard.press('Home');
  await expect(timeline(page)).toHaveAttribute('aria-valuetext', /^SFT, step 1 of/);
  const told = Number(await timeline(page).getAttribute('aria-valuemax'));
  await expect
    .poll(async () => Number(await timeline(page).getAttribute('aria-valuemax')))
    .toBeGreaterThan(told);
  await expect(timeline(page)).toHaveAttribute('aria-valuetext', /^SFT, step 1 of/);
  await button(page, 'Back to now').click();
  await expect(timeline(page)).toHaveAttribute('aria-valuetext', /the latest$/);
});

test('a run is saved as one file and comes back; what is no such file is refused in words', async ({
  page,
}) => {
  await page.goto('./?live');
  await openFile(page, FILE);
  await button(page, 'Share').click();
  const saved = page.waitForEvent('download');
  await button(page, /^Save the run as a file/).click();
  expect(readFileSync(await (await saved).path())).toEqual(readFileSync(FILE));
  await page.keyboard.press('Escape');

  const broken = { name: 'broken.recording', mimeType: '', buffer: readFileSync(FILE).subarray(0, 90_000) };
  await openFile(page, broken);
  await expect(page.getByRole('alert')).toContainText(/broken\.recording: .*(bytes|JSON)/);
});

test('a replay turned into a live run: PPO goes on from the recorded adapters', async ({ page }) => {
  test.setTimeout(300_000);
  const witness = watch(page);
  await page.goto('./?live');
  await openFile(page, FILE);
  await button(page, 'Run PPO live from here').click();
  await expect(recordedBadge(page)).toHaveCount(0);
  await expect(tab(page, 'SFT')).toHaveCount(0);
  await expect(button(page, 'Pause')).toBeVisible({ timeout: 60_000 });
  await expect(tab(page, 'PPO').getByRole('img', { name: 'finished' })).toBeVisible({ timeout: 240_000 });
  await expect(tab(page, 'PPO')).toContainText('→');
  await button(page, 'Stop').click();
  await expect(button(page, 'Continue the run')).toBeVisible({ timeout: 60_000 });
  expect(witness).toEqual({ complaints: [], foreign: [] });
});

test('the first picture of the replay is there within a second of a processor four times slower', async ({
  page,
}) => {
  const witness = watch(page);
  await page.addInitScript(() => {
    const look = new MutationObserver(() => {
      if (!document.querySelector('[role=slider][aria-label=Timeline][aria-disabled=false]')) return;
      look.disconnect();
      requestAnimationFrame(() => {
        console.timeStamp('picture');
        document.documentElement.dataset.picture = 'yes';
      });
    });
    look.observe(document, { subtree: true, childList: true, attributes: true });
  });
  // The thread's own working time, as in traceTasks, times four: by the clock it would be the machine's other work too.
  const work = await traceWork(page);
  await page.goto('./');
  await page.locator('html[data-picture]').waitFor();
  expect(4 * (await work())).toBeLessThanOrEqual(1000);
  await expect(recordedBadge(page)).toContainText('This is a recording.');
  await expect(button(page, 'Pause the replay')).toBeVisible();
  expect(page.workers()).toEqual([]);
  expect(witness).toEqual({ complaints: [], foreign: [] });
});
