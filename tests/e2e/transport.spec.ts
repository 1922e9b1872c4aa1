// What drives a run at work, beside its timeline: one step, slow motion, and the way back to a checkpoint; on a narrow
// screen too.

import { expect, test } from '@playwright/test';
import { commands, fakeWorker } from './fixtures/fake-worker';
import { button, tab, timeline } from './fixtures/parts';
import { putFiles } from './fixtures/store';
import { structureFaults } from './fixtures/structure';
import { expectAccessible } from './fixtures/witness';

test.use({ actionTimeout: 30_000 });

test('a run goes back to a checkpoint, whether it is at work or has stopped', async ({ page }) => {
  await fakeWorker(page, { pace: 40 });
  await page.goto('./?live');
  await button(page, 'Run the three stages').click();
  const latest = async (): Promise<number> => Number(await timeline(page).getAttribute('aria-valuemax')) + 1;
  await expect.poll(latest).toBeGreaterThan(20);
  await button(page, 'Go back').click();
  const dialog = page.getByRole('dialog', { name: 'Go back to a checkpoint' });
  await expect(dialog).toContainText('This run keeps none yet');
  await page.keyboard.press('Escape');

  await putFiles(page, { 'checkpoint/stage-0-step-0.json': '{}', 'checkpoint/stage-0-step-8.json': '{}' });
  await button(page, 'Go back').click();
  await expect(dialog).toContainText('The run is stopped where it is');
  const told = await latest();
  await dialog.getByRole('button', { name: 'SFT, after step 8' }).click();
  await expect.poll(latest, 'what came after it is forgotten').toBeLessThan(told);
  await expect(button(page, 'Pause')).toBeVisible();
  expect(await commands(page, 'stop')).toHaveLength(1);
  expect((await commands(page, 'start')).at(-1)).toMatchObject({ from: 'stage-0-step-8', resume: true });

  await button(page, 'Stop').click();
  await button(page, 'Go back to a checkpoint').click();
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'SFT, before its first step' }).click();
  await expect(button(page, 'Pause')).toBeVisible();
  expect((await commands(page, 'start')).at(-1)).toMatchObject({ from: 'stage-0-step-0' });
});

test('slow motion and one step stand beside the timeline, on any width', async ({ page }) => {
  await fakeWorker(page, { pace: 40 });
  await page.goto('./?live');
  const pace = page.getByRole('combobox', { name: 'Pace' });
  await pace.selectOption({ label: 'rest 1\u202fs' });
  await button(page, 'Run the three stages').click();
  await expect(tab(page, 'SFT')).toHaveAccessibleName(/^running/);
  await page.keyboard.press('-');
  await expect(pace).toHaveValue('2');
  await page.keyboard.press('+');
  await page.keyboard.press('+');
  await expect(pace).toHaveValue('0.5');
  await pace.selectOption({ label: 'full' });
  expect((await commands(page, 'pace')).map((command) => (command as { seconds?: number }).seconds)).toEqual([
    1, 2, 1, 0.5, 0,
  ]);
  for (const width of [1280, 768, 390, 320]) {
    await page.setViewportSize({ width, height: 700 });
    for (const name of ['Pause', 'Step', 'Stop', 'Go back'])
      await expect(page.getByRole('button', { name, exact: true })).toBeVisible();
    await expect(pace).toBeVisible();
    // A chart is drawn anew in the frame after its place has another width.
    await expect.poll(() => structureFaults(page), `${width} px`).toEqual([]);
  }
  await page.getByRole('button', { name: 'Step', exact: true }).click();
  await expect.poll(async () => (await commands(page, 'step')).length).toBe(1);
});
