// Reading a run: samples and their tokens, charts, formulas, warnings and the frontier, by keyboard as by pointer, and
// large for a room.

import { readFileSync } from 'node:fs';
import { expect, test, type Page } from '@playwright/test';
import { button, finishedRun, tab, tabTo, timeline } from './fixtures/parts';
import { expectAccessible, watch } from './fixtures/witness';

const mark = (page: Page) => page.getByRole('combobox', { name: 'Mark' });
const chart = (page: Page, name: RegExp) => page.getByRole('slider', { name });

test.use({ actionTimeout: 30_000 });

test('tokens: one tab stop for a text, arrow keys lead from number to number, and into the update', async ({
  page,
}) => {
  const witness = watch(page);
  await finishedRun(page);
  const after = page.getByRole('listbox', { name: /^After, token by token/ });
  await mark(page).selectOption({ label: 'tokens by advantage' });
  await mark(page).focus();
  const stops = await tabTo(page, after);
  expect(stops, 'no stop inside a text').toBeLessThanOrEqual(7);

  const chosen = after.getByRole('option', { selected: true });
  await expect(chosen).toHaveAccessibleName(/^“\w+”, advantage [+−]?\d.* points$/);
  const first = await chosen.textContent();
  await page.keyboard.press('ArrowRight');
  await expect(chosen).not.toHaveText(first ?? '');
  const update = page.getByRole('region', { name: /^The update at/ });
  await expect(update).toContainText('token 2 of');
  await expect(update.locator('math')).not.toHaveCount(0);
  await after.getByRole('option').nth(3).click();
  await expect(update).toContainText('token 4 of');
  await page.keyboard.press('ArrowRight');
  await expect(update).toContainText('token 5 of');
  await page.keyboard.press('End');
  await expect(chosen).toHaveAccessibleName(/^end of text/);
  await expect(update).toContainText('since it is the last, the score');
  await page.keyboard.press('Tab');
  await expect(after).not.toBeFocused();

  const ratio = update.getByRole('slider');
  await ratio.focus();
  await page.keyboard.press('End');
  await expect(update).toContainText(/ratio 1\.50/);

  // Of what an update learnt from, the ratio is measured, and stays within reach of what is tried.
  await tab(page, 'PPO').click();
  const inside = page.getByRole('region', { name: /^Inside update/ });
  await inside.getByRole('listbox', { name: /^Completion in update/ }).focus();
  await page.keyboard.press('End');
  await expect(inside).toContainText(/The update moved this token to ratio/);
  const measured = await inside.getByRole('slider').inputValue();
  await inside.getByRole('slider').press('Home');
  await expect(inside).toContainText(/If the update moves this token to ratio 0\.50/);
  await inside.getByRole('button', { name: /^Back to the measured/ }).click();
  await expect(inside.getByRole('slider')).toHaveValue(measured);
  expect(witness).toEqual({ complaints: [], foreign: [] });
});

test('samples: what differs is marked, and the slider leads through the time between', async ({ page }) => {
  await finishedRun(page);
  await expect(page.locator('mark').first()).toBeVisible();
  const through = page.getByRole('slider', { name: 'After, through training' });
  await expect(through).toHaveAttribute('aria-valuetext', /^PPO, update/);
  const last = await page.locator('blockquote').last().textContent();
  await through.focus();
  await page.keyboard.press('Home');
  await expect(through).toHaveAttribute('aria-valuetext', /^SFT, step/);
  await expect(page.locator('blockquote').last()).not.toHaveText(last ?? '');
  await mark(page).selectOption('nothing');
  await expect(page.locator('mark')).toHaveCount(0);
});

test('charts: one tab stop each; the menu opens, shows a table, writes a file and gives the focus back', async ({
  page,
}) => {
  await finishedRun(page);
  await tab(page, 'SFT').click();
  const loss = chart(page, /^Loss/);
  await loss.focus();
  expect(await tabTo(page, chart(page, /^Finished endings/))).toBe(1);

  await loss.focus();
  await page.keyboard.press('Enter');
  const menu = page.getByRole('dialog', { name: /^Loss/ });
  await expect(menu).toContainText('How surprised the model is');
  await menu.getByRole('checkbox', { name: 'Show as table' }).check();
  const table = page.getByRole('region', { name: 'Loss as a table' });
  await expect(table.getByRole('row')).toHaveCount(121);
  await menu.getByRole('checkbox', { name: /held out/ }).uncheck();
  await expect(loss).toHaveAttribute('aria-valuetext', /^Step 120: training [\d.]+$/);
  await menu.getByRole('checkbox', { name: 'Logarithmic axis' }).check();

  const downloading = page.waitForEvent('download');
  await menu.getByRole('button', { name: 'CSV' }).click();
  const file = await downloading;
  expect(file.suggestedFilename()).toBe('sft-loss.csv');
  const lines = readFileSync(await file.path(), 'utf8')
    .trim()
    .split('\n');
  expect(lines[0]).toBe('step,loss,eval_loss');
  expect(lines).toHaveLength(121);
  const picture = page.waitForEvent('download');
  await menu.getByRole('button', { name: 'PNG' }).click();
  const png = readFileSync(await (await picture).path());
  expect(png.subarray(1, 4).toString()).toBe('PNG');
  await menu.getByRole('checkbox', { name: 'Show as table' }).focus();
  await page.keyboard.press('Escape');
  await expect(menu).toBeHidden();
  await expect(loss).toBeFocused();
});

test('a learning rate that has come to its end is not told as 0.00', async ({ page }) => {
  await finishedRun(page);
  await tab(page, 'SFT').click();
  const rate = chart(page, /^Learning rate/);
  await rate.focus();
  await page.keyboard.press('End');
  await expect(rate).toHaveAttribute('aria-valuetext', 'Step 120: rate 0');
  await page.keyboard.press('Home');
  await expect(rate).toHaveAttribute('aria-valuetext', 'Step 1: rate 0.0020');
});

test('formulas carry the numbers of the step; a warning leads to the setting it names', async ({ page }) => {
  await finishedRun(page, { kl: 12 });
  await tab(page, 'SFT').click();
  const formulas = page.getByRole('region', { name: 'The loss in mathematics' });
  await expect(formulas).toContainText('src/train/sft.ts');
  const shown = await formulas.locator('.filled').first().textContent();
  await expect(chart(page, /^Loss/)).toHaveAttribute('aria-valuetext', new RegExp(`training ${shown}`));
  await tab(page, 'PPO').click();
  await page.locator('.leads').getByRole('button', { name: 'KL coefficient' }).click();
  await expect(page.getByRole('textbox', { name: 'KL coefficient' })).toBeFocused();
});

test('what a stage has come to is told anew as it goes on', async ({ page }) => {
  await page.goto('./#v=1&experiment=kind-endings&at=sft@5');
  const told = page.getByText(/The next (held-out )?token surprises it by/);
  await expect(told).toBeVisible();
  await expect(told).not.toContainText('held-out');
  await timeline(page).focus();
  for (let step = 0; step < 40; step++) await page.keyboard.press('ArrowRight');
  await expect(told).toContainText(/held-out.*2\.\d\d\snats/);
});

test('another method takes the stage’s place with its own defaults, and can be undone', async ({ page }) => {
  await finishedRun(page);
  await tab(page, 'PPO').click();
  await page.getByText('How PPO works').click();
  await expect(page.getByText(/Group relative policy optimisation does without/)).toBeVisible();
  await button(page, 'Use GRPO').click();
  await expect(tab(page, 'GRPO')).toHaveAttribute('aria-selected', 'true');
  await expect(page.getByRole('region', { name: 'The loss in mathematics' })).toContainText(
    'src/train/grpo.ts',
  );
  await page.locator('#settings-title').click();
  await page.keyboard.press('Control+z');
  await expect(tab(page, 'PPO')).toBeVisible();
});

test('the frontier names every checkpoint and the bound', async ({ page }) => {
  await finishedRun(page);
  const picture = page.getByRole('img', { name: /^Happy endings, by the unseen judge over KL/ });
  await expect(picture).toHaveAccessibleName(/after PPO: 4\.9, 88\s%/);
  await expect(page.getByText('No policy lies above the dashed curve')).toBeVisible();
  await page.getByText('As a table').click();
  await expect(page.getByRole('row', { name: /after PPO 4\.9 88\s%/ })).toBeVisible();
});

test('presenting: large type, one chart, samples and the sentence', async ({ page }) => {
  await finishedRun(page);
  await tab(page, 'PPO').click();
  await page.locator('#samples-title').click();
  await page.keyboard.press('p');
  await expect(page.locator('figure')).toHaveCount(1);
  await expect(page.getByRole('region', { name: 'Settings' })).toHaveCount(0);
  expect(await page.evaluate(() => getComputedStyle(document.body).fontSize)).toBe('24px');
  await expect(page.getByRole('heading', { name: 'Before and after' })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press('p');
  await expect(page.getByRole('region', { name: 'Settings' })).toBeVisible();
});
