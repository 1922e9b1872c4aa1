// Recorded runs and links as a person meets them: a link received, a replay turned into a live run, one timeline, and
// what is passed on. The recording is of a real run, a very short one (tests/fixtures/recordings/README.md).

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test as base, type Page } from '@playwright/test';
import { fakeWorker } from './fixtures/fake-worker';
import { button, handFile, openFile, recordedBadge, tab, timeline, TINY } from './fixtures/parts';
import { SETTLED, slowness } from './fixtures/pace';
import { expectAccessible, traceWork, watch } from './fixtures/witness';

interface Host {
  url: string;
  asked: string[];
  /** Lets the file that is slow come to its end. */
  goOn: () => void;
}

/** Another host, which lends its files to any page, and remembers what it was asked for. */
const test = base.extend<{ host: Host }>({
  host: async ({ baseURL }, use) => {
    const { hostname } = new URL(baseURL ?? '');
    const asked: string[] = [];
    let goOn = (): void => undefined;
    const server: Server = createServer((request, response) => {
      asked.push(request.url ?? '');
      if (request.url === '/slow.recording') {
        const bytes = readFileSync(TINY);
        response.writeHead(200, { 'access-control-allow-origin': '*', 'content-length': bytes.length });
        response.write(bytes.subarray(0, 100_000));
        goOn = () => void response.end(bytes.subarray(100_000));
        return;
      }
      const path = { '/run.recording': TINY, '/experiment.json': 'experiments/kind-endings-no-kl.json' }[
        request.url ?? ''
      ];
      response.writeHead(path ? 200 : 404, { 'access-control-allow-origin': '*' });
      response.end(path && readFileSync(path));
    });
    await new Promise<void>((done) => server.listen(0, hostname, done));
    const url = `http://${hostname}:${(server.address() as AddressInfo).port}`;
    await use({ url, asked, goOn: () => goOn() });
    server.closeAllConnections();
    server.close();
  },
});

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
  await expect(page.getByRole('alert').first()).toContainText('status 404');
});

test('a file that comes slowly tells how far it is, can be cancelled, and is not waited for without end', async ({
  page,
  host,
}) => {
  await fakeWorker(page);
  // Half a minute passes at once where the test says so.
  const hurry = (on: boolean) => page.evaluate((now) => Object.assign(globalThis, { hurry: now }), on);
  await page.addInitScript(() => {
    const { setTimeout: wait } = globalThis;
    const quick = (then: () => void, ms?: number) =>
      wait(then, ms === 30_000 && (globalThis as { hurry?: boolean }).hurry ? 1000 : ms);
    Object.assign(globalThis, { setTimeout: quick });
  });
  await page.goto(`./#v=1&open=${encodeURIComponent(`${host.url}/slow.recording`)}`);
  const come = page.getByText(/^Fetching: 100\skB of \d{3}\skB$/);
  await button(page, 'Fetch it').click();
  await expect(come).toBeVisible();
  await button(page, 'Cancel').click();
  await expect(button(page, 'Fetch it')).toBeVisible();
  const notice = page.getByRole('alert').first();
  await expect(notice).toBeEmpty();

  await hurry(true);
  await button(page, 'Fetch it').click();
  await expect(notice).toContainText('slow.recording could not be read: nothing came for 30 seconds');
  await hurry(false);
  await notice.getByRole('button', { name: 'Try again' }).click();
  await expect(come).toBeVisible();
  host.goOn();
  await expect(recordedBadge(page)).toContainText('Recorded');
  await expect(page.getByRole('heading', { name: /^Fetch/ })).toHaveCount(0);
  expect(host.asked).toHaveLength(3);
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
  const field = page.getByRole('textbox', { name: 'Link' });
  await expect(field).toHaveValue(/#v=1&experiment=kind-endings&ppo\.kl_coef=0\.33&view=ppo$/);
  const link = await field.inputValue();
  await expect(page.getByRole('img', { name: 'The link as a QR code' })).toBeVisible();
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await button(page, 'Copy').click();
  await expect(button(page, 'Copied')).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(link);

  const other = await context.newPage();
  await fakeWorker(other);
  await other.goto(link.replace('#', '?live#'));
  await expect(tab(other, 'PPO')).toHaveAttribute('aria-selected', 'true');
  await expect(other.getByRole('textbox', { name: 'KL coefficient' })).toHaveValue('0.33');
});

test('a link that needs a file of this browser says so, and offers the file in its place', async ({
  page,
}) => {
  await fakeWorker(page, { pace: 0.02 });
  await page.goto('./?live#v=1&data.preferences=preferences.jsonl');
  const share = page.getByRole('dialog', { name: 'Share' });
  const save = share.getByRole('button', { name: 'Save the settings' });
  await button(page, 'Share').click();
  await expect(share).toContainText('This link needs a file that it does not bring along: preferences.jsonl');
  await expect(save).toHaveClass(/primary/);
  await page.keyboard.press('Escape');
  await button(page, 'Run the three stages').click();
  await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
  await button(page, 'Share').click();
  await expect(share).toContainText('Save the run instead.');
  await expect(share.getByRole('button', { name: 'Save the run as a file' })).toHaveClass(/primary/);
  await expectAccessible(page);
});

test('a link that means nothing says so, and the page opens all the same', async ({ page }) => {
  await fakeWorker(page);
  await page.goto('./?live#v=1&ppo.kl_koef=1&colour=red&from=sft&at=pppo@3&view=chat&ppo.kl_coef=0.3');
  const notice = page.getByRole('alert').first();
  for (const word of ['ppo.kl_koef', 'colour', 'from=sft', 'pppo@3', '“chat”'])
    await expect(notice).toContainText(word);
  await tab(page, 'PPO').click();
  await expect(page.getByRole('textbox', { name: 'KL coefficient' }), 'the rest holds').toHaveValue('0.3');
  await expect(button(page, 'Run the three stages')).toBeVisible();
});

test('one timeline: play, step, jump; charts and samples follow', async ({ page }) => {
  const witness = watch(page);
  await page.goto('./?live');
  await handFile(page, 'paste', 'run.recording', readFileSync(TINY));
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

  expect(witness).toEqual({ complaints: [], foreign: [] });
});

test('the default recording, played to its end, leads to the same without a price on KL', async ({
  page,
}) => {
  await page.goto('./');
  await expect(recordedBadge(page)).toBeVisible();
  const next = button(page, 'Now without a price on KL');
  await expect(next).toHaveCount(0);
  await timeline(page).press('End');
  await next.click();
  await expect(button(page, 'Experiment: Without a price on KL')).toBeVisible();
  await expect(button(page, 'Pause the replay')).toBeVisible();
  await expect(next).toHaveCount(0);
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
  await openFile(page, TINY);
  await button(page, 'Share').click();
  const saved = page.waitForEvent('download');
  await button(page, /^Save the run as a file/).click();
  expect(readFileSync(await (await saved).path())).toEqual(readFileSync(TINY));
  await page.keyboard.press('Escape');

  const broken = { name: 'broken.recording', mimeType: '', buffer: readFileSync(TINY).subarray(0, 90_000) };
  await openFile(page, broken);
  await expect(page.getByRole('alert').first()).toContainText(/broken\.recording: .*(bytes|JSON)/);
});

test('a replay turned into a live run: PPO goes on from the recorded adapters', async ({ page }) => {
  test.setTimeout(300_000);
  const witness = watch(page);
  await page.goto('./?live');
  await openFile(page, TINY);
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

/** Milliseconds that the page's own thread works in a new browser until the first picture of the replay is drawn:
 *  timeline, what is done, the opening and how the model goes on with it. */
async function workToPicture(page: Page): Promise<number> {
  await page.addInitScript(() => {
    const look = new MutationObserver(() => {
      const parts = ['[role=slider][aria-label=Timeline]', '.prose.opening', 'blockquote.prose'];
      if (!parts.every((part) => document.querySelector(part))) return;
      look.disconnect();
      // In the task after the frame in which all of it is drawn.
      requestAnimationFrame(() =>
        setTimeout(() => {
          console.timeStamp('picture');
          console.debug('picture');
        }),
      );
    });
    look.observe(document, { subtree: true, childList: true });
  });
  await page.waitForTimeout(SETTLED);
  const work = await traceWork(page);
  // No locator waits for it: what it brings into the page would be counted.
  const drawn = page.waitForEvent('console', (message) => message.text() === 'picture');
  await page.goto('./');
  await drawn;
  return work();
}

test('the first picture of the replay is there within a second of a processor four times slower @alone', async ({
  page,
  browser,
}) => {
  const witness = watch(page);
  // The thread's own working time, as in traceTasks, times four, by how fast the machine is now: by the clock it would be
  // the machine's other work too. The best of three counts; each browser is new and keeps nothing.
  const times = [await workToPicture(page)];
  await expect(page.locator('#app')).not.toHaveAttribute('inert');
  await expect(page.locator('#app > header')).toHaveCount(1);
  await expect(recordedBadge(page)).toContainText('This is a recording.');
  await button(page, 'Pause the replay').click();
  await expect(button(page, 'Play')).toBeVisible();
  expect(page.workers()).toEqual([]);
  expect(witness).toEqual({ complaints: [], foreign: [] });
  const slow: number[] = [];
  for (let again = 0; again < 2; again++) {
    const [fresh, bare] = [await browser.newContext(), await browser.newContext()];
    times.push(await workToPicture(await fresh.newPage()));
    slow.push(await slowness(await bare.newPage()));
    await Promise.all([fresh.close(), bare.close()]);
  }
  const least = Math.min(...times) / Math.min(...slow);
  const told = `${times.map((time) => time.toFixed()).join(', ')} ms of work; the machine takes ${slow.map((by) => by.toFixed(2)).join(', ')} × the reference's time`;
  test.info().annotations.push({ type: 'first picture', description: told });
  expect(4 * least, told).toBeLessThanOrEqual(1000);
});

test('the picture that comes with the document is the page as it then stands', async ({ browser }) => {
  const still = await browser.newContext({ reducedMotion: 'reduce' });
  const page = await still.newPage();
  const words = () =>
    page
      .locator('#app')
      .evaluate((app) =>
        [
          ...app.querySelectorAll(
            'h1, h2, h3, [role=tab] .name, .label, .opening, blockquote, .words, footer p',
          ),
        ]
          .filter((element) => !element.closest('[popover], [hidden], aside'))
          .map((element) => element.textContent.replaceAll(/\s+/g, ' ').trim()),
      );
  let early: string[] = [];
  await page.route('**/recorded/*', async (route) => {
    await page.locator('#app[inert] .opening').waitFor();
    early = await words();
    await route.continue();
  });
  await page.goto('./');
  await page.locator('#app:not([inert]) .opening').waitFor();
  expect(early.length).toBeGreaterThan(10);
  expect(await words()).toEqual(expect.arrayContaining(early));
  await still.close();
});
