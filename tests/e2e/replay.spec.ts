// What one can do from a recording, each from a page that has computed nothing yet: its worker is started, and its model
// loaded, by the first thing that needs them. The real engine answers.

import { expect, test, type Page } from '@playwright/test';
import { commands, fakeWorker, sent } from './fixtures/fake-worker';
import { button, openFile, recordedBadge, tab, TINY } from './fixtures/parts';
import { fewRows } from './fixtures/short-run';
import { filesOf, rowsOf } from './fixtures/store';
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

test('data and pairs of a recording are there without an engine, and the loop closes from there', async ({
  page,
}) => {
  const witness = watch(page);
  await fakeWorker(page, { pace: 0.02 });
  await page.goto('./');
  await expect(recordedBadge(page)).toBeVisible();
  await tab(page, 'Data').click();
  const rows = page.getByRole('list', { name: 'Rows' }).getByRole('button');
  await expect(rows).toHaveCount(15);
  await rows.first().click();
  const tokens = page.locator('.tokens span');
  await expect(tokens.first()).not.toHaveClass(/learnt/);
  await expect(tokens.last()).toHaveText('end');
  await expect(tokens.last()).toHaveClass(/learnt/);
  await expect(button(page, 'Read all 1,080')).toBeVisible();
  await expectAccessible(page);
  const parts = page.getByRole('group', { name: 'Parts of the data' });
  await parts.getByRole('button', { name: /^Preference pairs/ }).click();
  await expect(page.getByText('These pairs the run sampled itself')).toBeVisible();
  await expect(page.getByText('These are the first 40 of 5,200 rows.')).toBeVisible();

  await tab(page, 'Judge').click();
  await expect(page.locator('.answer')).toHaveCount(2);
  for (let judged = 1; judged <= 10; judged++) {
    await page.keyboard.press('1');
    await expect(page.getByText(`${judged} judged.`)).toBeVisible();
  }
  await expect(page.getByText(/agrees in \d+ of 10/)).toBeVisible();
  await expect(page.getByText('the labeller’s 40 pairs of this recording and mine')).toBeVisible();
  await expectAccessible(page);
  expect(await sent(page), 'nothing is computed yet').toEqual([]);

  await button(page, 'Retrain the reward').click();
  await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
  const [{ runId }] = (await commands(page, 'start')) as unknown as [{ runId: string }];
  const [preferences] = (await filesOf(page, runId, 'preferences.jsonl')).values();
  expect(rowsOf(String(preferences)), 'ten of the pairs are mine, and count ten times').toHaveLength(130);
  const adapters = await filesOf(page, runId, 'adapters/');
  expect([...adapters.keys()]).toContain('adapters/sft/adapter_model.safetensors');
  expect(witness).toEqual({ complaints: [], foreign: [] });
});

test('change something: what it takes is told, and the changed run ends with a result', async ({ page }) => {
  const witness = watch(page);
  await fewRows(page, 24, 'sft', 'eval');
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
