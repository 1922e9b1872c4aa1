// A run of thousands of steps: the page answers as soon as with the first ones, however much lies in its charts.

import { expect, test } from '@playwright/test';
import { fakeWorker } from './fixtures/fake-worker';
import { button, tab, timeline } from './fixtures/parts';
import { traceTasks } from './fixtures/witness';

/** Milliseconds in which a page must answer. */
const LONGEST_TASK = 100;
const AHEAD = 5000;

test.use({ actionTimeout: 30_000 });

test('with five thousand updates in the charts, and more coming, nothing holds the page up @alone', async ({
  page,
}) => {
  await fakeWorker(page, { pace: 20, ahead: AHEAD });
  await page.goto('./?live#v=1&ppo.total_episodes=320000');
  await button(page, 'Run the three stages').click();
  await expect(timeline(page)).toHaveAttribute('aria-valuetext', /^PPO, update 5\d\d\d of 10000/, {
    timeout: 60_000,
  });
  const longestTask = await traceTasks(page);

  await tab(page, 'SFT').click();
  await tab(page, 'PPO').click();
  const kl = page.getByRole('slider', { name: /^KL/ });
  await expect(kl).toHaveAttribute('aria-valuetext', /^Update 5\d\d\d: nats \d/);
  await page.getByRole('slider', { name: 'Smoothing' }).fill('0.6');
  await kl.focus();
  await page.keyboard.press('Home');
  await expect(kl).toHaveAttribute('aria-valuetext', /^Update 1: nats \d/);
  await page.keyboard.press('Enter');
  await page.getByRole('checkbox', { name: 'Show as table' }).check();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('region', { name: /as a table$/ }).getByRole('row')).toHaveCount(501);
  await timeline(page).focus();
  await page.keyboard.press('PageDown');
  await expect(button(page, 'Back to now')).toBeVisible();
  await page.keyboard.press('End');
  await tab(page, 'PPO').hover();
  // A second of steps with all of that open.
  await page.waitForTimeout(1000);
  expect(await longestTask()).toBeLessThanOrEqual(LONGEST_TASK);
});
