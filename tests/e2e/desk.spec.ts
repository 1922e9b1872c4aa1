// What surrounds a run: its data, its model, its settings, what goes wrong, and all of it from the keyboard.

import { expect, test, type Page } from '@playwright/test';
import { fakeWorker } from './fixtures/fake-worker';
import { expectAccessible, traceTasks, watch } from './fixtures/witness';

/** Milliseconds. */
const LONGEST_TASK = 100;

const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name });
const tab = (page: Page, name: string) => page.getByRole('tab', { name });
const field = (page: Page, name: string) => page.getByRole('textbox', { name, exact: true });
const commands = (page: Page, type: string) =>
  page.evaluate(
    (wanted) =>
      (globalThis as unknown as { commands: { type: string }[] }).commands.filter((c) => c.type === wanted),
    type,
  );

async function accessibleInBoth(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectAccessible(page);
  }
}

test.use({ actionTimeout: 30_000 });

test.describe('with a scripted worker', () => {
  test('keyboard only: help, a changed setting, undo, a run with pause and step, the result', async ({
    page,
  }) => {
    await fakeWorker(page, { pace: 4 });
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
  });

  test('no focus is trapped: Tab comes round from the first to the last', async ({ page }) => {
    await fakeWorker(page);
    await page.goto('./?backend=wasm');
    await expect(tab(page, 'Model')).toContainText('5.9 million');
    let places = 0;
    for (; places < 150; places++) {
      await page.keyboard.press('Tab');
      const place = await page.evaluate(() => {
        const { activeElement: now } = document;
        if (!now || now === document.body) return 'outside';
        if (now.hasAttribute('data-visited')) return now.outerHTML;
        now.setAttribute('data-visited', '');
        return 'new';
      });
      if (place === 'outside') break;
      expect(place, 'no place comes twice').toBe('new');
    }
    expect(places).toBeGreaterThan(15);
    expect(places, 'Tab leaves the page in the end').toBeLessThan(150);
  });

  test('keys of a single character can be switched off', async ({ page }) => {
    await fakeWorker(page);
    await page.goto('./?backend=wasm');
    await page.keyboard.press('?');
    await page.getByRole('checkbox', { name: /single character/ }).uncheck();
    await accessibleInBoth(page);
    await page.keyboard.press('Escape');
    await page.keyboard.press('r');
    await page.keyboard.press('?');
    await expect(page.getByRole('dialog')).toHaveCount(0);
    expect(await commands(page, 'start')).toEqual([]);
    await page.reload();
    await page.keyboard.press('?');
    await expect(page.getByRole('dialog')).toHaveCount(0);
  });

  test('a change says whether it holds at once or from the next run on', async ({ page }) => {
    await fakeWorker(page, { pace: 40 });
    await page.goto('./?backend=wasm');
    await button(page, 'Run the three stages').click();
    await expect(button(page, 'Pause')).toBeVisible();
    await tab(page, 'SFT').click();
    await button(page, 'Pause').click();
    await expect(button(page, 'Resume')).toBeVisible();
    for (const [name, value] of [
      ['Steps', '100'],
      ['Learning rate', '0.001'],
    ] as const) {
      await field(page, name).fill(value);
      await page.keyboard.press('Tab');
    }
    const settings = page.getByRole('region', { name: 'Settings' });
    await expect(settings.getByText('next run', { exact: true })).toHaveCount(1);
    await expect(settings.getByText('next step', { exact: true })).toHaveCount(1);
    await button(page, 'Resume').click();
    await expect(settings.getByText('next step', { exact: true })).toHaveCount(0);
    await expect(settings.getByText('next run', { exact: true })).toHaveCount(1);
    expect(await commands(page, 'change')).toEqual([
      { type: 'change', change: { stage: 'sft', key: 'learning_rate', value: 0.001 } },
    ]);
    await page.keyboard.press('-');
    expect(await commands(page, 'pace')).toEqual([{ type: 'pace', seconds: 0.5 }]);
  });

  test('a lost device: a new worker goes on with the run by itself', async ({ page }) => {
    const witness = watch(page);
    await fakeWorker(page, { pace: 4, loseDeviceIn: 'reward' });
    await page.goto('./?backend=wasm');
    await button(page, 'Run the three stages').click();
    await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
    const starts = (await commands(page, 'start')) as unknown as { runId: string; resume: boolean }[];
    expect(starts.map(({ resume }) => resume)).toEqual([false, true]);
    expect(starts[1]?.runId).toBe(starts[0]?.runId);
    expect(await commands(page, 'open')).toHaveLength(2);
    await expect(page.getByRole('alert').first()).toBeEmpty();
    expect(witness.complaints).toEqual([]);
  });

  test('an error offers what helps: training that fell apart goes on more gently', async ({ page }) => {
    await fakeWorker(page, { failIn: 'reward', pace: 2 });
    await page.goto('./?backend=wasm');
    await button(page, 'Run the three stages').click();
    await button(page, /^Continue with a learning rate of/).click();
    await expect.poll(async () => (await commands(page, 'start')).length).toBe(2);
    const [change] = (await commands(page, 'change')) as unknown as {
      change: { stage: string; key: string };
    }[];
    expect(change?.change).toMatchObject({ stage: 'reward', key: 'learning_rate' });
  });

  test('a model of the hub is fetched when the person says so, and not before', async ({ page }) => {
    const witness = watch(page);
    await fakeWorker(page);
    await page.goto('./?backend=wasm');
    await expect(tab(page, 'Model')).toContainText('5.9 million');
    await tab(page, 'Model').click();
    await page.getByRole('button', { name: 'GPT-2', exact: true }).click();
    await expect(page.getByText('GPT-2 is not on this machine yet.')).toBeVisible();
    const layers = page.getByRole('group', { name: 'Adapted layers' }).getByRole('checkbox');
    await expect(layers).toHaveCount(3);
    for (const name of ['c_attn', 'c_fc', 'c_proj'])
      await expect(page.getByRole('checkbox', { name, exact: true })).toBeChecked();
    await page.getByRole('checkbox', { name: 'c_fc', exact: true }).uncheck();
    await expect(tab(page, 'Model').getByTitle('Changed settings')).toContainText('2');
    await accessibleInBoth(page);
    await button(page, 'Run the three stages').click();
    await expect(page.getByRole('alert').first()).toContainText('not on this machine yet');
    expect(await commands(page, 'start')).toEqual([]);
    const loads = async () =>
      ((await commands(page, 'loadModel')) as unknown as { model: string }[]).map(({ model }) => model);
    expect(await loads()).toEqual(['bundled:stories-neo']);
    await page.getByRole('alert').getByRole('button', { name: 'Fetch it from huggingface.co' }).click();
    await expect.poll(loads).toEqual(['bundled:stories-neo', 'hf:openai-community/gpt2']);
    expect(witness).toEqual({ complaints: [], foreign: [] });
  });
});

test.describe('with the real engine', () => {
  test.setTimeout(240_000);

  test('data is looked at token by token, edited, pasted with its problems, and kept', async ({ page }) => {
    const witness = watch(page);
    await page.goto('./?backend=wasm');
    await expect(tab(page, 'Model')).toContainText('5.9 million', { timeout: 60_000 });
    const longestTask = await traceTasks(page);
    await tab(page, 'Data').click();
    const rows = page.getByRole('list', { name: 'Rows' }).getByRole('button');
    await expect(page.getByRole('group', { name: 'Parts of the data' })).toContainText('1,080');
    await expect(page.getByText(/the longest row has \d+ of the 512/)).toBeVisible({ timeout: 60_000 });

    await rows.first().click();
    const tokens = page.locator('.tokens span');
    await expect(tokens.last()).toHaveText('end');
    await expect(tokens.first()).not.toHaveClass(/learnt/);
    await expect(tokens.last()).toHaveClass(/learnt/);
    await page.keyboard.press('ArrowDown');
    await expect(page.getByRole('region', { name: 'Row 2' })).toBeVisible();
    await page.getByRole('searchbox', { name: 'Find rows' }).fill('turtle');
    await expect(rows.first()).toContainText('turtle');
    await page.getByRole('searchbox', { name: 'Find rows' }).fill('');
    expect(await longestTask()).toBeLessThanOrEqual(LONGEST_TASK);
    await accessibleInBoth(page);

    await button(page, 'Edit a copy').click();
    await expect(page.getByRole('combobox', { name: /^Source of/ })).toHaveValue(/^own:/);
    await expect(tab(page, 'Data').getByTitle('Changed settings')).toContainText('1');
    await button(page, 'Add a row').click();
    await expect(page.getByText('line 1081: "completion" is empty.').first()).toBeVisible();
    await page.getByRole('textbox', { name: 'prompt', exact: true }).fill('A dog ran.\nEnding:');
    await page.getByRole('textbox', { name: 'completion' }).fill(' It slept.');
    await page.keyboard.press('Tab');
    await expect(page.getByText('line 1081')).toHaveCount(0, { timeout: 30_000 });
    await expect(tokens.last()).toHaveText('end', { timeout: 30_000 });

    await button(page, /^Paste or open/).click();
    const dialog = page.getByRole('dialog');
    const pasted = dialog.getByRole('textbox');
    await pasted.fill('{"prompt": "a", "completion": "b"}\n{"prompt": "a"}\nnothing');
    await expect(dialog).toContainText('line 2: "completion" is missing');
    await expect(dialog).toContainText('line 3');
    await accessibleInBoth(page);
    await pasted.fill('prompt,completion\n"One, two.\nEnding:",Three.\n');
    await dialog.getByRole('button', { name: 'Use this row' }).click();
    await expect(rows).toHaveCount(1);
    await page.reload();
    await tab(page, 'Data').click();
    await expect(
      page
        .getByRole('combobox', { name: /^Source of/ })
        .locator('option', { hasText: /^own:demonstrations$/ }),
    ).toHaveCount(1);
    expect(witness).toEqual({ complaints: [], foreign: [] });
  });

  test('a folder of one’s own becomes the model, and can be removed', async ({ page }) => {
    await page.goto('./?backend=wasm');
    await expect(tab(page, 'Model')).toContainText('5.9 million', { timeout: 60_000 });
    await page.getByLabel(/^A folder of your own/).setInputFiles('tests/fixtures/gpt-neo-tiny/model');
    await expect(tab(page, 'Model')).toContainText('56 thousand', { timeout: 60_000 });
    await expect(field(page, 'Model')).toHaveValue('own:model');
    await button(page, 'Remove model').click();
    await expect(button(page, 'Remove model')).toHaveCount(0);
  });
});

/** Presses Tab until the element has the focus. */
async function tabTo(page: Page, element: ReturnType<typeof field>): Promise<void> {
  for (let i = 0; i < 120; i++) {
    if (await element.evaluate((node) => node === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('Tab does not reach it');
}
