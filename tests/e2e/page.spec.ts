// The page as a person uses it, in a real browser: with the real worker through a killed tab, and with a scripted worker
// for what a run seldom shows.

import { readFileSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import { readRecording } from '../../src/shared/recording';
import { commands, fakeWorker } from './fixtures/fake-worker';
import { button, finishedRun, handFile, recordedBadge, tab, timeline } from './fixtures/parts';
import { fewRows, openShort, SHORT } from './fixtures/short-run';
import { fileOfNewestRun, filesOfNewestRun, rowsOf } from './fixtures/store';
import { expectAccessible, watch } from './fixtures/witness';

test.use({ actionTimeout: 30_000 });

test.describe('with the real engine', () => {
  test.setTimeout(420_000);

  test('a killed tab is opened again and the run goes on', async ({ page, context }) => {
    await fewRows(page, 24, 'sft', 'eval');
    await openShort(page, SHORT);
    await button(page, 'Run the three stages').click();
    await expect(tab(page, 'PPO')).toContainText('→', { timeout: 240_000 });
    const sft = await tab(page, 'SFT').locator('.number').textContent();
    await page.close();

    const again = await context.newPage();
    const witness = watch(again);
    await again.goto('./?backend=wasm');
    await expect(button(again, 'Start anew')).toBeVisible({ timeout: 30_000 });
    await expect(tab(again, 'SFT')).toContainText(sft ?? '');
    await button(again, 'Continue the run').click();
    await expect(button(again, 'Run again')).toBeVisible({ timeout: 300_000 });
    await expect(tab(again, 'SFT')).toContainText(sft ?? '');
    await expect(again.getByRole('contentinfo')).toContainText('after PPO');
    await again.reload();
    await expect(again.getByRole('contentinfo')).toContainText('after PPO', { timeout: 30_000 });
    await expect(button(again, 'Run again')).toBeVisible();

    // Passed on as one file: removed here and dropped on the page, it shows the same and has what the file has.
    const shown = async (): Promise<string[]> => [
      ...(await again.locator('[role=tab] .number').allTextContents()),
      await again.getByRole('contentinfo').innerText(),
      await again.getByRole('table').filter({ hasText: 'base model' }).innerText(),
    ];
    await tab(again, 'Compare').click();
    await expect(tab(again, 'Model')).toContainText('5.9 million', { timeout: 60_000 });
    const before = await shown();
    const metrics = rowsOf(await fileOfNewestRun(again, 'metrics.jsonl'));
    const live = await filesOfNewestRun(again, 'adapters/');
    await button(again, 'Share').click();
    const saving = again.waitForEvent('download');
    await button(again, 'Save the run as a file').click();
    const file = await saving;
    const bytes = readFileSync(await file.path());
    await again.keyboard.press('Escape');
    await button(again, 'Runs').first().click();
    await button(again, /^Delete /).click();
    await expect(again.getByRole('dialog').getByRole('textbox')).toHaveCount(0);
    await again.keyboard.press('Escape');
    await expect(again.getByRole('contentinfo')).not.toContainText('after PPO');

    await handFile(again, 'drop', file.suggestedFilename(), bytes);
    await expect(recordedBadge(again)).toBeVisible();
    await timeline(again).press('End');
    await tab(again, 'Compare').click();
    await expect.poll(shown).toEqual(before);
    const place = ({ stage, step }: Record<string, unknown>) => `${String(stage)} ${String(step)}`;
    const { run, adapters } = readRecording(bytes, file.suggestedFilename());
    expect(run.metrics.map(place)).toEqual(metrics.map(place));
    const kept = await filesOfNewestRun(again, 'adapters/');
    expect([...kept.keys()]).toEqual([...live.keys()]);
    for (const [path, some] of adapters) expect(kept.get(`adapters/${path}`)?.equals(some), path).toBe(true);
    expect(witness).toEqual({ complaints: [], foreign: [] });
  });
});

test.describe('with a scripted worker', () => {
  test('in a tab that nobody looks at a run goes on to its end, which is there when one looks', async ({
    page,
  }) => {
    // A browser draws no frames there.
    await page.addInitScript(() => {
      const { requestAnimationFrame: draw } = globalThis;
      const asked: FrameRequestCallback[] = [];
      let hidden = false;
      globalThis.requestAnimationFrame = (then) => (hidden ? asked.push(then) : draw(then));
      const look = (now: boolean) => {
        hidden = !now;
        for (const then of now ? asked.splice(0) : []) draw(then);
      };
      Object.assign(globalThis, { look });
    });
    const look = (now: boolean) =>
      page.evaluate((looks) => (globalThis as unknown as { look: (now: boolean) => void }).look(looks), now);
    await fakeWorker(page, { pace: 0.02 });
    await page.goto('./?live');
    await button(page, 'Run the three stages').click();
    await look(false);
    await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
    await expect(page.getByRole('contentinfo')).toContainText('after PPO');
    await tab(page, 'SFT').click();
    await look(true);
    await expect(page.getByRole('slider', { name: /^Loss/ })).toHaveAttribute('aria-valuetext', /^Step 120:/);
    await expect(page.locator('figure canvas').first()).toBeVisible();
  });

  test('a failed run says what happened, what to do, and can be continued', async ({ page }) => {
    await fakeWorker(page, { failIn: 'reward', pace: 2 });
    await page.goto('./?live');
    await button(page, 'Run the three stages').click();
    await expect(page.getByRole('alert').first()).toContainText('not a number at step', { timeout: 30_000 });
    await expect(page.getByRole('alert').first()).toContainText('Lower the learning rate');
    await expect(button(page, 'Continue the run')).toBeVisible();
    await expect(tab(page, 'Reward').getByRole('img', { name: 'failed' })).toBeVisible();
    await expectAccessible(page);
    await button(page, 'Close the message').click();
    await expect(page.getByRole('alert').first()).toBeEmpty();
  });

  test('a setting says what it may be, marks what was changed, and goes back', async ({ page }) => {
    await fakeWorker(page);
    await page.goto('./?live');
    await tab(page, 'SFT').click();
    const rate = page.getByRole('textbox', { name: 'Learning rate' });
    const shipped = await rate.inputValue();
    await rate.fill('7');
    await rate.press('Tab');
    await expect(page.getByText('Learning rate may be a number above 0 and at most 1.')).toBeVisible();
    await expect(rate).toHaveAttribute('aria-invalid', 'true');
    await button(page, 'Run the three stages').click();
    await expect(page.getByRole('alert').first()).toContainText('Learning rate may be a number above 0');
    expect(await commands(page, 'start'), 'nothing runs with a value that was meant to go').toEqual([]);
    await rate.fill('0.01');
    await rate.press('Tab');
    await expect(rate).toHaveAttribute('aria-invalid', 'false');
    await expect(tab(page, 'SFT').getByTitle('Changed settings')).toContainText('1');
    await button(page, /^Learning rate: back to the default/).click();
    await expect(rate).toHaveValue(shipped);
    await expect(tab(page, 'SFT').getByTitle('Changed settings')).toHaveCount(0);
    await button(page, 'Run the three stages').click();
    await expect.poll(async () => (await commands(page, 'start')).length).toBe(1);
  });

  test('settings that contradict each other are told of before a run begins', async ({ page }) => {
    await fakeWorker(page);
    await page.goto('./?live');
    await tab(page, 'SFT').click();
    await page.getByRole('textbox', { name: 'Steps', exact: true }).fill('5');
    await page.keyboard.press('Tab');
    await tab(page, 'Model').click();
    await button(page, 'Run the three stages').click();
    await expect(page.getByRole('alert').first()).toContainText(/SFT: a warm-up of \d+ steps does not fit/);
    await expect(tab(page, 'SFT')).toHaveAttribute('aria-selected', 'true');
    await expect(button(page, 'Run the three stages')).toBeVisible();
  });

  test('an estimator of the KL that leads elsewhere is offered with a warning', async ({ page }) => {
    await fakeWorker(page);
    await page.goto('./?live');
    await tab(page, 'PPO').click();
    await page.getByText(/^\d+ more$/).click();
    const warning = page.getByText('k3 inside the reward is biased: PPO then ends at another policy');
    await expect(warning).toHaveCount(0);
    await page.getByRole('combobox', { name: 'KL estimator' }).selectOption('k3');
    await expect(warning).toBeVisible();
  });

  test('stations, charts and buttons work from the keyboard', async ({ page }) => {
    await fakeWorker(page, { pace: 0.02 });
    await page.goto('./?live');
    await button(page, 'Run the three stages').focus();
    await page.keyboard.press('Enter');
    await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
    await tab(page, 'Compare').focus();
    await page.keyboard.press('ArrowLeft');
    await expect(tab(page, 'PPO')).toBeFocused();
    await expect(page.getByRole('heading', { name: 'PPO' })).toBeVisible();
    const kl = page.getByRole('slider', { name: /^KL/ });
    await kl.focus();
    await page.keyboard.press('Home');
    await expect(kl).toHaveAttribute('aria-valuenow', '1');
    await page.keyboard.press('ArrowRight');
    await expect(kl).toHaveAttribute('aria-valuetext', /^Update 2: nats \d/);
    const charts = page.locator('figure').getByRole('slider');
    expect(await charts.count()).toBeGreaterThan(3);
    for (const chart of await charts.all()) await expect(chart).toHaveAttribute('aria-valuenow', '2');
    await page.keyboard.press('Escape');
    for (const chart of await charts.all()) await expect(chart).not.toHaveAttribute('aria-valuenow', '2');
  });

  test('the theme follows the system until it is chosen, and the choice is kept', async ({ page }) => {
    await fakeWorker(page);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.goto('./?live');
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await paper();
    await button(page, 'Switch to the light theme').click();
    const light = await paper();
    expect(light).not.toBe(dark);
    await page.reload();
    expect(await paper()).toBe(light);
  });

  test('nothing runs out of the page, from a small phone to 4K', async ({ page }) => {
    await finishedRun(page);
    // 640 is what a window of 1280 has at 200 % zoom.
    for (const width of [320, 640, 800, 1920, 3840]) {
      await page.setViewportSize({ width, height: 800 });
      for (const station of ['Model', 'SFT', 'PPO', 'Compare']) {
        await tab(page, station).click();
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(overflow, `${station}, ${width} px`).toBeLessThanOrEqual(0);
      }
    }
  });
});
