// The main story where there is no WebGPU, as on most machines of a class: the real worker, from the button to the
// result, with pause, step and a try on the way. Training may never hold the page up.

import { expect, test, type Page } from '@playwright/test';
import { launchOptions } from '../../tools/chromium';
import { button, tab } from './fixtures/parts';
import { fewRows, openShort, SHORT } from './fixtures/short-run';
import { expectAccessible, traceTasks, watch } from './fixtures/witness';

/** Milliseconds. */
const LONGEST_TASK = 100;

const lossAt = (page: Page) => page.getByRole('slider', { name: /^Loss/ });

test.use({ actionTimeout: 30_000, launchOptions: launchOptions('none') });
test.setTimeout(420_000);

test('without WebGPU one sentence says so, and one button leads to the result all the same @alone', async ({
  page,
}) => {
  const witness = watch(page);
  await fewRows(page, 24, 'sft', 'eval');
  await openShort(page, SHORT, './?live');
  await expect(page.getByText('wasm', { exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(tab(page, 'Model')).toContainText('5.9 million', { timeout: 60_000 });
  await tab(page, 'Model').click();
  const reason = page
    .getByRole('tabpanel')
    .getByText(/^The CPU is used because the browser found no graphics adapter/);
  await expect(reason).toHaveCount(1);
  await expect(reason).toBeVisible();
  const longestTask = await traceTasks(page);

  await button(page, 'Run the three stages').click();
  await expect(lossAt(page)).toHaveAttribute('aria-valuetext', /^Step [1-9]\d*: training \d/, {
    timeout: 120_000,
  });
  const first = await lossAt(page).getAttribute('aria-valuetext');
  await expect(lossAt(page)).not.toHaveAttribute('aria-valuetext', first ?? '', { timeout: 60_000 });

  await button(page, 'Pause').click();
  await expect(button(page, 'Resume')).toBeVisible({ timeout: 60_000 });
  const paused = Number(await lossAt(page).getAttribute('aria-valuenow'));
  await page.getByRole('button', { name: 'Step', exact: true }).click();
  await expect(lossAt(page)).toHaveAttribute('aria-valuenow', String(paused + 1), { timeout: 60_000 });
  await expect(button(page, 'Resume')).toBeVisible();
  await button(page, 'Resume').click();
  await expect(page.getByRole('heading', { name: 'Before and after' })).toBeVisible();
  await expect(page.locator('blockquote').first()).not.toBeEmpty({ timeout: 120_000 });

  await expect(button(page, 'Run again')).toBeVisible({ timeout: 300_000 });
  expect(await longestTask()).toBeLessThanOrEqual(LONGEST_TASK);
  await expect(page.getByRole('contentinfo')).toContainText(
    /Happy endings.*\d+\s%.*base model.*after SFT.*after PPO/s,
  );
  await expect(page.getByRole('table').filter({ hasText: 'base model' })).toContainText('after PPO');
  await expect(page.locator('blockquote')).toHaveCount(2);

  await page.getByRole('combobox', { name: 'First', exact: true }).selectOption('Base');
  await button(page, 'Write two endings').click();
  for (const writer of ['Base', 'PPO']) {
    await expect(page.locator(`.written[data-by="${writer}"]`)).not.toBeEmpty({ timeout: 60_000 });
  }

  await expectAccessible(page);
  expect(witness).toEqual({ complaints: [], foreign: [] });
});
