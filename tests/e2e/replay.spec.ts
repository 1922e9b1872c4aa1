// What one can do from a recording, each from a page that has computed nothing yet: its worker is started, and its model
// loaded, by the first thing that needs them. The real engine answers.

import { expect, test, type Page } from '@playwright/test';
import { button, openFile, recordedBadge, tab, TINY } from './fixtures/parts';
import { expectAccessible, watch } from './fixtures/witness';

test.use({ actionTimeout: 30_000 });
test.setTimeout(600_000);

/** The page on a recording, without an engine. */
async function replay(page: Page): Promise<void> {
  await page.goto('./');
  await openFile(page, TINY);
  await expect(recordedBadge(page)).toContainText('Kind endings tiny');
  expect(page.workers(), 'nothing is computed yet').toEqual([]);
}

test('chat with the result: both answer, at the first try', async ({ page }) => {
  const witness = watch(page);
  await replay(page);
  await button(page, 'Chat with the result').click();
  await expect(page.getByRole('textbox', { name: /^An opening/ })).toBeFocused();
  await button(page, 'Write two endings').click();
  for (const writer of ['SFT', 'PPO']) {
    await expect(page.locator(`.written[data-by="${writer}"]`)).not.toBeEmpty({ timeout: 120_000 });
  }
  await tab(page, 'Model').click();
  await expect(button(page, /^Load/), 'it is loaded by now').toHaveCount(0);
  expect(witness).toEqual({ complaints: [], foreign: [] });
});

test('judging: pairs are written by the recorded model; what failed is tried again', async ({ page }) => {
  await replay(page);
  const weights = '**/model.safetensors';
  await page.route(weights, (route) => route.abort());
  await tab(page, 'Judge').click();
  await button(page, 'Write some pairs').click();
  const problem = page.getByRole('tabpanel').getByRole('alert');
  await expect(problem).toContainText('model.safetensors could not be read', { timeout: 60_000 });
  await expectAccessible(page);
  await page.unroute(weights);
  await problem.getByRole('button', { name: 'Try again' }).click();
  await expect(page.locator('.answer')).toHaveCount(2, { timeout: 120_000 });
  await expect(problem).toBeEmpty();
  await page.keyboard.press('1');
  await expect(page.getByText('1 judged.')).toBeVisible();
  await expect(button(page, 'Retrain the reward')).toBeEnabled();
});

test('change something: what it takes is told, and the changed run ends with a result', async ({ page }) => {
  const witness = watch(page);
  await replay(page);
  await button(page, 'Change something').click();
  await expect(tab(page, 'PPO')).toHaveAttribute('aria-selected', 'true');
  const price = page.getByRole('textbox', { name: 'KL coefficient', exact: true });
  await price.fill('0.5');
  await price.press('Tab');
  await expect(page.getByText(/^This stage takes .* of memory/)).toBeVisible({ timeout: 120_000 });
  await button(page, 'Run it yourself').click();
  await expect(recordedBadge(page)).toHaveCount(0);
  await expect(button(page, 'Run again')).toBeVisible({ timeout: 500_000 });
  await expect(page.getByRole('contentinfo')).toContainText(/base model.*after SFT.*after PPO/s);
  expect(witness).toEqual({ complaints: [], foreign: [] });
});
