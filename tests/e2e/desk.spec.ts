// What surrounds a run: its data, its model, its settings, and what goes wrong.

import { expect, test } from '@playwright/test';
import { HUB, HUB_CACHE, hubUrl, pieceUrl } from '../../src/shared/hub';
import { commands, fakeWorker } from './fixtures/fake-worker';
import { button, field, handFile, tab } from './fixtures/parts';
import { expectAccessible, traceTasks, watch } from './fixtures/witness';

/** Milliseconds. */
const LONGEST_TASK = 100;

test.use({ actionTimeout: 30_000 });

test.describe('with a scripted worker', () => {
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
    expect((await commands(page, 'pace')).at(-1)).toEqual({ type: 'pace', seconds: 0.5 });
  });

  for (const failsFirst of [false, true]) {
    test(`a lost device, ${failsFirst ? 'after' : 'before'} its run is told to have failed: a new worker goes on by itself`, async ({
      page,
    }) => {
      const witness = watch(page);
      await fakeWorker(page, { pace: 4, loseDeviceIn: 'reward', failsFirst });
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
  }

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
    await expectAccessible(page);
    await button(page, 'Run the three stages').click();
    await expect(page.getByRole('alert').first()).toContainText('not on this machine yet');
    expect(await commands(page, 'start')).toEqual([]);
    const loads = async () =>
      ((await commands(page, 'loadModel')) as unknown as { model: string }[]).map(({ model }) => model);
    expect(await loads()).toEqual(['bundled:stories-neo']);
    await page
      .getByRole('alert')
      .first()
      .getByRole('button', { name: 'Fetch it from huggingface.co' })
      .click();
    await expect.poll(loads).toEqual(['bundled:stories-neo', 'hf:openai-community/gpt2']);
    expect(witness).toEqual({ complaints: [], foreign: [] });
  });
});

test('a download tells bytes and time and can be cancelled; what is kept is seen and can be removed', async ({
  page,
}) => {
  await fakeWorker(page);
  await page.goto('./?backend=wasm#v=1&model=hf:openai-community/gpt2');
  await tab(page, 'Model').click();
  await button(page, /^Fetch about/).click();
  await expect(page.getByText(/^2\.0\sMB of 9\.0\sMB, about 0:\d\d left$/)).toBeVisible();
  await expect(page.getByRole('progressbar').first()).toHaveAttribute('value', /^0\.2/);
  await expectAccessible(page);
  await button(page, 'Cancel').click();
  await expect(page.getByRole('alert').first()).toContainText('The download was cancelled.');
  await expect(button(page, 'Load GPT-2')).toBeVisible();

  // As a download leaves it that broke off, then one that came to its end.
  const weights = hubUrl(HUB, 'openai-community/gpt2', 'main', 'model.safetensors');
  const keep = (url: string, bytes: number) =>
    page.evaluate(
      async ([name, address, size]) =>
        (await caches.open(name)).put(address, new Response(new Uint8Array(size))),
      [HUB_CACHE, url, bytes] as const,
    );
  const remove = button(page, 'Remove hf:openai-community/gpt2');
  const kept = page.getByRole('listitem').filter({ has: remove });
  await keep(pieceUrl(weights, 0), 3e6);
  await page.reload();
  await tab(page, 'Model').click();
  await expect(kept).toContainText('3.0\u202fMB, a part');
  await keep(weights, 0);
  await page.reload();
  await tab(page, 'Model').click();
  await expect(kept).toContainText('3.0\u202fMB.');
  await remove.click();
  await expect(remove).toHaveCount(0);
});

test.describe('with the real engine', () => {
  test.setTimeout(240_000);

  test('data is looked at token by token, edited, pasted with its problems, dropped, and kept @alone', async ({
    page,
  }) => {
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
    await expectAccessible(page);

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
    await expectAccessible(page);
    await pasted.fill('prompt,completion\n"One, two.\nEnding:",Three.\n');
    await dialog.getByRole('button', { name: 'Use this row' }).click();
    // The last page of those before has one row too.
    await expect(page.getByRole('combobox', { name: /^Source of/ })).toHaveValue('own:demonstrations');
    await expect(rows).toHaveCount(1);
    await page.reload();
    await tab(page, 'Data').click();
    await expect(
      page
        .getByRole('combobox', { name: /^Source of/ })
        .locator('option', { hasText: /^own:demonstrations$/ }),
    ).toHaveCount(1);
    const csv = Buffer.from('prompt,completion\n"A cat sat.\nEnding:",It purred.\nAn owl flew.,It hooted.\n');
    await handFile(page, 'drop', 'two.csv', csv, page.getByRole('list', { name: 'Rows' }));
    await dialog.getByRole('button', { name: 'Use these 2 rows' }).click();
    await expect(rows).toHaveCount(2);
    await expect(rows.first()).toContainText('It purred.');
    await expect(page.getByRole('combobox', { name: /^Source of/ })).toHaveValue('own:two');
    expect(witness).toEqual({ complaints: [], foreign: [] });
  });

  test('a folder of one’s own becomes the model, and can be removed', async ({ page }) => {
    await page.goto('./?backend=wasm');
    await expect(tab(page, 'Model')).toContainText('5.9 million', { timeout: 60_000 });
    await page.getByLabel(/^A folder of your own/).setInputFiles('tests/fixtures/gpt-neo-tiny/model');
    await expect(tab(page, 'Model')).toContainText('56 thousand', { timeout: 60_000 });
    await expect(field(page, 'Model')).toHaveValue('own:model');
    await button(page, 'Remove model').click();
    await expect(page.getByRole('alert').first()).toContainText('“model” stays: the experiment before you');
    await button(page, 'Stories Neo').click();
    await button(page, 'Remove model').click();
    await expect(button(page, 'Remove model')).toHaveCount(0);
    await expect(field(page, 'Model')).toHaveValue('bundled:stories-neo');

    await page.getByLabel(/^A folder of your own/).setInputFiles('public/experiments/kind-endings/sft_model');
    await expect(page.getByText('on top of the model: the SFT stage is left out')).toBeVisible();
    await expect(tab(page, 'SFT')).toHaveCount(0);
    await button(page, 'Remove sft_model').click();
    await expect(page.getByRole('alert').first()).toContainText('“sft_model” stays');
    await page.getByRole('button', { name: 'sft_model', exact: true }).click();
    await expect(tab(page, 'SFT')).toHaveCount(1);
    await button(page, 'Remove sft_model').click();
    await expect(button(page, 'Remove sft_model')).toHaveCount(0);
  });
});
