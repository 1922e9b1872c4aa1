// Every view, and everything that opens over one, by axe in either theme: of a finished run of the scripted worker, and of a
// recorded one. States that these do not come to (a failure, a second tab, a file asked for) are looked at where they arise.

import { expect, test } from '@playwright/test';
import {
  button,
  finishedRun,
  openFile,
  recordedBadge,
  STATIONS,
  tab,
  timeline,
  TINY,
} from './fixtures/parts';
import { expectAccessible } from './fixtures/witness';

test.use({ actionTimeout: 30_000 });

test('every view and what opens over it, light and dark', async ({ page }) => {
  await finishedRun(page);
  const header = page.getByRole('banner');
  const open = page.locator('dialog:open, [popover]:popover-open');
  const close = async (): Promise<void> => {
    await page.keyboard.press('Escape');
    await expect(open).toHaveCount(0);
  };

  for (const name of STATIONS) {
    await tab(page, name).click();
    await expect(page.getByRole('tabpanel', { name, exact: true })).toBeVisible();
    if (name === 'Judge') await expect(page.locator('blockquote').last()).not.toBeEmpty();
    if (name === 'SFT') {
      await page.getByRole('slider', { name: /^Loss/ }).press('Enter');
      await page.getByRole('checkbox', { name: 'Show as table' }).check();
    }
    if (name === 'PPO') {
      await page.getByRole('listbox', { name: /^Completion in update/ }).press('End');
      await expect(page.getByText('The update moved this token to ratio')).toBeVisible();
    }
    if (name === 'Compare')
      await expect(page.getByText('No policy lies above the dashed curve')).toBeVisible();
    await page.evaluate(() => document.querySelectorAll('details').forEach((each) => (each.open = true)));
    await expectAccessible(page, name);
  }

  await page.getByRole('combobox', { name: 'Mark' }).selectOption({ label: 'tokens by advantage' });
  await page.getByRole('listbox', { name: /^After, token by token/ }).press('ArrowRight');
  await expect(page.getByRole('region', { name: /^The update at/ })).toBeVisible();
  await expectAccessible(page, 'Token view');

  for (const name of [/^Experiment: /, 'Runs', 'Share', 'Menu']) {
    await header.getByRole('button', { name }).click();
    await expect(open).toBeVisible();
    await expectAccessible(page, String(name));
    await close();
  }
  await page.keyboard.press('?');
  await expectAccessible(page, 'Help');
  await close();

  await openFile(page, TINY);
  await expect(recordedBadge(page)).toBeVisible();
  await timeline(page).press('End');
  await expect(button(page, 'Chat with the result')).toBeEnabled();
  await expectAccessible(page, 'Recorded');
});
