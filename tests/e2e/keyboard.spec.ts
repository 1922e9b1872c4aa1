// All of the page without a pointer: a whole story, and every view and dialog gone round with Tab.

import { expect, test } from '@playwright/test';
import { commands, fakeWorker } from './fixtures/fake-worker';
import { button, field, finishedRun, STATIONS, tab, tabTo } from './fixtures/parts';
import { tourByTab } from './fixtures/tour';

test.use({ actionTimeout: 30_000 });

test('keyboard only: help, a changed setting, undo, a run with pause and step, the result', async ({
  page,
}) => {
  await fakeWorker(page, { pace: 4 });
  await page.addInitScript(() => {
    const said: { text: string; at: number }[] = [];
    Object.assign(globalThis, { said });
    new MutationObserver(() => {
      const text = document.querySelector('#app > [role=status]')?.textContent ?? '';
      if (text !== (said[said.length - 1]?.text ?? '')) said.push({ text, at: performance.now() });
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
  await page.goto('./?backend=wasm');
  await expect(tab(page, 'Model')).toContainText('5.9 million');
  const reason = page.getByRole('tabpanel').getByText('so the processor does the work');
  await expect(reason, 'why there is no GPU').toBeVisible();
  const { keyboard } = page;

  await keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keys and help' });
  await expect(help).toContainText('One step, then pause');
  await expect(help.getByText('Space', { exact: true }).first()).toBeVisible();
  await keyboard.press('r');
  await expect(help, 'keys wait while a dialog is open').toBeVisible();
  await keyboard.press('Escape');
  await expect(help).toBeHidden();
  expect(await commands(page, 'start')).toEqual([]);

  for (let i = 0; i < 2; i++) await keyboard.press('.');
  await expect(tab(page, 'SFT')).toHaveAttribute('aria-selected', 'true');
  await keyboard.press(',');
  await expect(tab(page, 'Data')).toHaveAttribute('aria-selected', 'true');
  await keyboard.press('.');

  const rate = field(page, 'Learning rate');
  await tabTo(page, rate);
  const shipped = await rate.inputValue();
  await keyboard.press('Control+a');
  await keyboard.type('0.001');
  await keyboard.press('Tab');
  await expect(tab(page, 'SFT').getByTitle('Changed settings')).toContainText('1');
  await keyboard.press('Control+z');
  await expect(rate).toHaveValue(shipped);
  await keyboard.press('Control+Shift+z');
  await expect(rate).toHaveValue('0.001');
  await keyboard.press('Control+z');

  const run = button(page, 'Run the three stages');
  await tabTo(page, run);
  await keyboard.press('Enter');
  await expect(button(page, 'Pause')).toBeVisible();
  // The button that had the focus is gone, so Space is the page's.
  await keyboard.press('Space');
  await expect(button(page, 'Resume')).toBeVisible();
  await keyboard.press('n');
  expect(await commands(page, 'step')).toHaveLength(1);
  await tabTo(page, page.getByRole('button', { name: 'Menu', exact: true }));
  await keyboard.press('Enter');
  await expect(page.getByRole('menuitem', { name: 'Resume' })).toBeVisible();
  await keyboard.press('End');
  await keyboard.press('ArrowDown');
  await keyboard.press('Escape');
  await expect(page.getByRole('menuitem', { name: 'Resume' })).toBeHidden();
  await expect(page.getByRole('button', { name: 'Menu', exact: true })).toBeFocused();
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await keyboard.press('Space');
  await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });

  // Whoever listens has heard of it, and never twice within ten seconds.
  await expect(page.locator('#app > [role=status]')).toHaveText('The run is finished.', { timeout: 15_000 });
  const said = await page.evaluate(
    () => (globalThis as unknown as { said: { text: string; at: number }[] }).said,
  );
  expect(said[0]?.text).toMatch(/^SFT (running|paused), step \d+ of 120/);
  for (const [i, { at }] of said.entries()) if (i > 0) expect(at - said[i - 1]!.at).toBeGreaterThan(9_900);
});

test('keys of a single character can be switched off', async ({ page }) => {
  await fakeWorker(page);
  await page.goto('./?backend=wasm');
  await expect(tab(page, 'Model')).toContainText('5.9 million');
  await page.keyboard.press('?');
  await page.getByRole('checkbox', { name: /single character/ }).uncheck();
  await page.keyboard.press('Escape');
  await page.keyboard.press('r');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  expect(await commands(page, 'start')).toEqual([]);
  await page.reload();
  await expect(tab(page, 'Model')).toContainText('5.9 million');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('every view: Tab reaches all that reacts, shows where it is, and leaves in the end', async ({
  page,
}) => {
  await finishedRun(page);
  const { keyboard } = page;
  for (let i = 0; i < STATIONS.length; i++) await keyboard.press(',');
  for (const name of STATIONS) {
    await expect(tab(page, name)).toHaveAttribute('aria-selected', 'true');
    await page.evaluate(() => {
      for (const each of document.querySelectorAll('details')) each.open = true;
    });
    const { stops, faults } = await tourByTab(page);
    expect(faults, name).toEqual([]);
    expect(stops, name).toBeGreaterThan(15);
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    await keyboard.press('.');
  }
});

test('what opens over the page opens, is walked through and closes by keys, and gives the focus back', async ({
  page,
}) => {
  await finishedRun(page);
  const inside = (open: string) =>
    page.evaluate((selector) => document.activeElement?.closest(selector) !== null, open);
  for (const name of [/^Experiment: /, 'Runs', 'Share', 'Menu']) {
    const opener = page.getByRole('banner').getByRole('button', { name });
    await tabTo(page, opener);
    await page.keyboard.press('Enter');
    if (!(await inside('dialog, [popover]'))) await page.keyboard.press('Tab');
    expect(await inside('dialog:open, [popover]:popover-open'), String(name)).toBe(true);
    await page.keyboard.press('Escape');
    await expect(page.locator('dialog:open, [popover]:popover-open')).toHaveCount(0);
    await expect(opener).toBeFocused();
  }
});
