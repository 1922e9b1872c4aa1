// Judging, runs and tabs as a person meets them: ten judgements and a reward retrained on them, with a scripted worker
// and, in small, with the real one; the table of runs; a second tab on a run that the first is at work on.

import { readFileSync } from 'node:fs';
import { expect, test, type Page } from '@playwright/test';
import type { Experiment } from '../../src/shared/experiment';
import { commands, fakeWorker } from './fixtures/fake-worker';
import { button, finishedRun, runAgain, tab } from './fixtures/parts';
import { fewRows } from './fixtures/short-run';
import { fileOfNewestRun, putFiles, rowsOf } from './fixtures/store';
import { expectAccessible, watch } from './fixtures/witness';

test.use({ actionTimeout: 30_000 });

test.describe('with a scripted worker', () => {
  test('ten judgements and a retrained reward', async ({ page }) => {
    const witness = watch(page);
    await fakeWorker(page, { pace: 0.02 });
    await page.goto('./?live');
    await button(page, 'Run the three stages').click();
    await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
    await tab(page, 'Judge').click();
    await expect(button(page, 'The first is better')).toContainText('1');
    await expect(button(page, 'Skip this pair')).toContainText('S');
    await expect(button(page, 'Retrain the reward')).toBeDisabled();

    // This judge always takes the ending that is not sad, wherever it stands.
    const first = page.locator('.answer blockquote').first();
    const judge = async () =>
      page.keyboard.press(/cried|alone/.test((await first.textContent()) ?? '') ? '2' : '1');
    for (let judged = 1; judged <= 3; judged++) {
      await judge();
      await expect(page.getByText(`${judged} judged.`)).toBeVisible();
    }
    const next = await first.textContent();
    await page.keyboard.press('u');
    await expect(page.getByText('2 judged.')).toBeVisible();
    await expect(first).not.toHaveText(next ?? '');
    await page.keyboard.press('0');
    await expect(page.getByText('2 judged, 1 tie.')).toBeVisible();
    await expect(first).toHaveText(next ?? '');
    await page.keyboard.press('s');
    await expect(page.getByText('2 judged, 1 tie, 1 skipped.')).toBeVisible();
    await page.keyboard.press('u');
    for (let judged = 3; judged <= 10; judged++) {
      await judge();
      await expect(page.getByText(`${judged} judged, 1 tie.`)).toBeVisible();
    }
    await expect(page.getByText('agrees in 10 of 10')).toBeVisible();

    await expect.poll(async () => rowsOf(await fileOfNewestRun(page, 'judgements.jsonl')).length).toBe(11);
    const rows = rowsOf(await fileOfNewestRun(page, 'judgements.jsonl'));
    expect(rows.filter(({ verdict }) => verdict === 'tie')).toHaveLength(1);
    expect(new Set(rows.map(({ order }) => String(order))).size, 'orders shown').toBe(2);
    for (const { verdict, chosen } of rows) if (verdict !== 'tie') expect(chosen).not.toMatch(/cried|alone/);
    await expectAccessible(page);

    const saving = page.waitForEvent('download');
    await button(page, 'Save as JSONL').click();
    expect((await saving).suggestedFilename()).toBe('judgements.jsonl');

    // Judgements outlive the tab.
    await page.reload();
    await tab(page, 'Judge').click();
    await expect(page.getByText('10 judged, 1 tie')).toBeVisible();

    // What was edited since counts for the run to come.
    await tab(page, 'PPO').click();
    const price = page.getByRole('textbox', { name: 'KL coefficient', exact: true });
    await price.fill('0.3');
    await price.press('Tab');
    await tab(page, 'Judge').click();
    await button(page, 'Retrain the reward').click();
    await expect(tab(page, 'SFT')).toHaveCount(0);
    await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
    const [{ experiment }] = (await commands(page, 'start')).slice(-1) as unknown as [
      { experiment: Experiment },
    ];
    expect(experiment.stages.find(({ kind }) => kind === 'ppo')).toMatchObject({ kl_coef: 0.3 });
    const learnt = rowsOf(await fileOfNewestRun(page, 'preferences.jsonl'));
    expect(learnt).toHaveLength(10);
    await button(page, 'Runs').first().click();
    await expect(page.getByRole('row', { name: /Kind endings judged/ })).toContainText('with 10 judgements');
    expect(witness).toEqual({ complaints: [], foreign: [] });
  });

  test('a run made from judgements is refused in the words of a plain one, and nothing of it stays', async ({
    page,
  }) => {
    await finishedRun(page, { tooLarge: 'kind-endings-judged' });
    await tab(page, 'Judge').click();
    await expect(page.locator('.answer')).toHaveCount(2);
    await page.keyboard.press('1');
    await expect(page.getByText('1 judged.')).toBeVisible();
    const notice = page.getByRole('alert').first();
    const setWarmUp = async (steps: string) => {
      await tab(page, 'Reward').click();
      await page.getByText(/^\d+ more$/).click();
      await page.getByRole('textbox', { name: 'Warm-up', exact: true }).fill(steps);
      await page.keyboard.press('Tab');
      await tab(page, 'Judge').click();
    };
    await setWarmUp('9999');
    await button(page, 'Retrain the reward').click();
    await expect(notice).toContainText('Reward: a warm-up of 9999 steps does not fit');
    await button(page, 'Close the message').click();

    await setWarmUp('1');
    await button(page, 'Retrain the reward').click();
    await expect(notice).toContainText('Stage ppo would need 9.0 GB');
    expect(await commands(page, 'start')).toHaveLength(1);
    await button(page, 'Runs').first().click();
    await expect(page.getByRole('textbox', { name: /^Name of the run/ })).toHaveCount(1);
  });

  test('runs are named, opened, deleted and brought back', async ({ page }) => {
    await fakeWorker(page, { pace: 0.02 });
    await page.goto('./?live');
    await button(page, 'Run the three stages').click();
    await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
    const rows = Array.from({ length: 24 }, (_, i) => ({ stage: 'ppo', step: i + 1, 'objective/kl': 2.5 }));
    await putFiles(page, { 'metrics.jsonl': rows.map((row) => `${JSON.stringify(row)}\n`).join('') });
    await tab(page, 'PPO').click();
    await page.getByRole('textbox', { name: 'KL coefficient', exact: true }).fill('0');
    await page.keyboard.press('Tab');
    await runAgain(page);

    await button(page, 'Runs').first().click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByRole('columnheader', { name: /PPO: KL/ })).toBeVisible();
    const names = dialog.getByRole('textbox', { name: /^Name of the run/ });
    await expect(names).toHaveCount(2);
    await names.last().fill('With a price on KL');
    await page.keyboard.press('Tab');
    await dialog.getByRole('textbox', { name: 'Notes on With a price on KL' }).fill('The first one');
    await page.keyboard.press('Tab');
    await dialog.getByRole('checkbox', { name: /With a price on KL/ }).check();
    await expectAccessible(page);
    await page.keyboard.press('Escape');
    await tab(page, 'PPO').click();
    await expect(button(page, 'Take With a price on KL out of the charts')).toBeVisible();
    const chart = page.getByRole('slider', { name: /^KL to the reference by update/ });
    await expect(chart).toHaveAttribute('aria-valuetext', /in With a price on KL 2\.50$/);
    await button(page, 'Runs').first().click();
    await button(page, 'Delete With a price on KL').click();
    await expect(names).toHaveCount(1);
    await button(page, 'Bring it back').click();
    await expect(names).toHaveCount(2);
    await expect(dialog.getByRole('textbox', { name: 'Notes on With a price on KL' })).toHaveValue(
      'The first one',
    );
    await dialog.getByRole('button', { name: 'Open With a price on KL' }).click();
    await expect(dialog).toBeHidden();
    await tab(page, 'PPO').click();
    await expect(page.getByRole('textbox', { name: 'KL coefficient', exact: true })).not.toHaveValue('0');
  });

  test('a second tab is told so, watches, and may go on when the first is gone', async ({
    page,
    context,
  }) => {
    await fakeWorker(page, { pace: 1000 });
    await page.goto('./?live');
    await button(page, 'Run the three stages').click();
    await expect(button(page, 'Pause')).toBeVisible();

    const second = await context.newPage();
    await fakeWorker(second);
    await second.goto('./?live');
    const watching = second.getByText('Another tab is at work on this run; you are watching it');
    await expect(watching).toBeVisible({ timeout: 30_000 });
    await expect(button(second, 'Continue the run')).toHaveCount(0);
    await expectAccessible(second);

    await writeSteps(page, 3);
    await expect(tab(second, 'SFT')).toContainText('2.50 → 1.50', { timeout: 10_000 });
    await expect(tab(second, 'SFT')).toHaveAccessibleName(/^running/);

    // Looking back, one stays there while the run goes on.
    const timeline = second.getByRole('slider', { name: 'Timeline' });
    await timeline.press('Home');
    await expect(timeline).toHaveAttribute('aria-valuetext', /^SFT, step 1 of/);
    await writeSteps(page, 4);
    await expect(timeline).toHaveAttribute('aria-valuemax', '3', { timeout: 10_000 });
    await expect(timeline).toHaveAttribute('aria-valuetext', /^SFT, step 1 of/);

    await button(second, 'Runs').first().click();
    await expect(second.getByRole('dialog').getByText('at work in another tab')).toBeVisible();
    await expect(button(second, /^Delete/)).toBeDisabled();
    await second.keyboard.press('Escape');

    await page.close();
    await expect(button(second, 'Continue the run')).toBeVisible({ timeout: 10_000 });
    await expect(second.getByText('you are watching it')).toHaveCount(0);
  });
});

/** The scripted worker writes no files; this is what the real one would have written by a step of SFT. */
function writeSteps(page: Page, steps: number): Promise<void> {
  const rows = Array.from(
    { length: steps },
    (_, i) => `{"stage":"sft","step":${i + 1},"loss":${3 - (i + 1) / 2}}\n`,
  );
  return putFiles(page, { 'metrics.jsonl': rows.join('') });
}

/** A finished run of the default experiment as an earlier visit would have left it: the adapters that ship with the
 *  page, sixteen pairs, and stages short enough for what is to be run from it. */
async function seedRun(page: Page): Promise<void> {
  const experiment = JSON.parse(readFileSync('experiments/kind-endings.json', 'utf8')) as Experiment;
  const short: Record<string, object> = {
    reward: {
      ...{ max_steps: 3, warmup_steps: 1, per_device_train_batch_size: 4, eval_steps: 3 },
      normalise_samples: 32,
    },
    ppo: { total_episodes: 16, per_device_train_batch_size: 8, response_length: 16 },
    evaluate: { samples_per_prompt: 1, max_new_tokens: 8 },
  };
  for (const stage of experiment.stages) Object.assign(stage, short[stage.kind]);
  const ids = [1, 2, 3];
  const pairs = Array.from({ length: 16 }, (_, i) => {
    const prompt = `Tom had ${i + 2} red balls. One day, they rolled into the pond.\nEnding:`;
    const texts = { prompt, chosen: ' Tom was happy.', rejected: ' Tom was sad.' };
    return `${JSON.stringify({ ...texts, prompt_ids: [...ids, i], chosen_ids: [4, i], rejected_ids: [5, i], flipped: false })}\n`;
  });
  const report = {
    name: 'kind-endings',
    seed: 1,
    backend: 'wasm',
    device: '',
    seconds: {},
    evaluation: {},
    comparisons: {},
  };
  const texts = {
    'experiment.json': JSON.stringify(experiment),
    'pairs.jsonl': pairs.join(''),
    'report.json': JSON.stringify(report),
  };
  await page.evaluate(async (files) => {
    const shipped = 'experiments/kind-endings/sft_model';
    const entries = Object.entries(files).map(([path, text]): [string, Uint8Array] => [
      path,
      new TextEncoder().encode(text),
    ]);
    for (const file of ['adapter_config.json', 'adapter_model.safetensors']) {
      const bytes = new Uint8Array(await (await fetch(`${shipped}/${file}`)).arrayBuffer());
      for (const stage of ['sft', 'ppo']) entries.push([`adapters/${stage}/${file}`, bytes]);
    }
    await new Promise<void>((resolve, reject) => {
      const opening = indexedDB.open('rlhf-playground-runs');
      opening.onerror = () => reject(new Error('no database'));
      opening.onsuccess = () => {
        const transaction = opening.result.transaction('files', 'readwrite');
        for (const [path, bytes] of entries) {
          transaction.objectStore('files').put(bytes, ['2026-01-01T00-00-00 kind-endings', path]);
        }
        transaction.oncomplete = () => {
          opening.result.close();
          resolve();
        };
      };
    });
  }, texts);
}

test.describe('with the real engine', () => {
  test.setTimeout(420_000);

  test('judgements of a run train its next reward', async ({ page }) => {
    const witness = watch(page);
    await fewRows(page, 24, 'eval');
    await page.goto('./?backend=wasm');
    await expect(tab(page, 'Model')).toContainText('5.9 million', { timeout: 60_000 });
    await seedRun(page);
    await page.goto('about:blank'); // loaded again, the page would show what it showed: nothing
    await page.goto('./?backend=wasm');
    await tab(page, 'Judge').click();
    await expect(page.locator('.answer')).toHaveCount(2, { timeout: 60_000 });
    for (let judged = 1; judged <= 3; judged++) {
      await page.keyboard.press('1');
      await expect(page.getByText(`${judged} judged.`)).toBeVisible();
    }
    await page.getByRole('combobox', { name: 'Pairs' }).selectOption('fresh, by PPO');
    await expect(page.locator('.answer')).toHaveCount(2, { timeout: 120_000 });
    await page.keyboard.press('2');
    await expect(page.getByText('4 judged.')).toBeVisible();

    await button(page, 'Continue PPO from here').click();
    await expect(tab(page, 'SFT')).toHaveCount(0);
    await expect(button(page, 'Pause')).toBeVisible({ timeout: 60_000 });
    await expect(button(page, 'Run again')).toBeVisible({ timeout: 300_000 });
    await expect(page.getByRole('contentinfo')).toContainText(/base model.*after SFT.*after PPO/s);
    const preferences = rowsOf(await fileOfNewestRun(page, 'preferences.jsonl'));
    // Three of the run's sixteen pairs in new hands, ten times each, and the fresh one as often.
    expect(preferences).toHaveLength(16 - 3 + 4 * 10);
    const metrics = rowsOf(await fileOfNewestRun(page, 'metrics.jsonl'));
    expect(metrics.map(({ stage, step }) => `${String(stage)} ${String(step)}`)).toEqual(
      expect.arrayContaining(['reward 3', 'ppo 1', 'ppo 2']),
    );
    expect(witness).toEqual({ complaints: [], foreign: [] });
  });
});
