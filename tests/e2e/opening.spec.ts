// What the page opens on: a link of any age, what it showed before it was loaded again, and nothing at all where the
// browser keeps nothing.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test, type Page } from '@playwright/test';
import type { Experiment } from '../../src/shared/experiment';
import { parseExperiment } from '../../src/shared/validate';
import { fakeWorker } from './fixtures/fake-worker';
import { button, recordedBadge, tab } from './fixtures/parts';
import { watch } from './fixtures/witness';

test.use({ actionTimeout: 30_000 });

const notice = (page: Page) => page.getByRole('alert').first();
const price = (page: Page) => page.getByRole('textbox', { name: 'KL coefficient', exact: true });

/** The experiment being edited, as "Save the settings" writes it and `validate` reads it: nothing else is in the file. */
async function savedSettings(page: Page): Promise<Experiment> {
  await button(page, 'Share').click();
  const saving = page.waitForEvent('download');
  await button(page, 'Save the settings').click();
  const file = await (await saving).path();
  await page.keyboard.press('Escape');
  const text = readFileSync(file, 'utf8');
  const { experiment } = parseExperiment(text, 'The saved file');
  expect(JSON.parse(text)).toEqual(experiment);
  return experiment;
}

interface Fixture {
  link: string;
  opens: { open?: string; from?: string };
  sets: Record<string, unknown>;
}

for (const version of readdirSync('tests/fixtures/links')) {
  test(`links of ${version} open as they always did`, async ({ page }) => {
    const links = JSON.parse(readFileSync(`tests/fixtures/links/${version}`, 'utf8')) as Fixture[];
    await fakeWorker(page);
    for (const { link, opens, sets } of links) {
      await page.goto('about:blank');
      await page.goto(`./${link}`);
      if (opens.open) {
        await expect(page.getByRole('heading', { name: /^Fetch a file/ })).toBeVisible();
        continue;
      }
      const experiment = await savedSettings(page);
      // What goes on from a recording has only the stages that are still to run.
      const alone = experiment.stages.findIndex(({ kind }) => kind === opens.from);
      for (const [named, value] of Object.entries(sets)) {
        const path = opens.from ? named.replace(/^stages\.\d+/, `stages.${alone}`) : named;
        const at = path
          .split('.')
          .reduce<unknown>((from, key) => (from as Record<string, unknown>)[key], experiment);
        expect(at, `${link}: ${path}`).toEqual(value);
      }
      await expect(notice(page), link).toBeEmpty();
    }
  });
}

test('loaded again, the page shows the link’s settings and those changed since, whatever ran before', async ({
  page,
}) => {
  await fakeWorker(page, { pace: 0.02 });
  await page.goto('./?live');
  await button(page, 'Run the three stages').click();
  await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });

  await page.goto('about:blank');
  await page.goto('./?live#v=1&ppo.kl_coef=0.5&view=ppo');
  await expect(price(page)).toHaveValue('0.5');
  const episodes = page.getByRole('textbox', { name: 'Episodes', exact: true });
  await episodes.fill('512');
  await episodes.press('Tab');
  await expect.poll(() => new URL(page.url()).hash).toContain('ppo.total_episodes=512');
  await page.reload();
  await expect(price(page)).toHaveValue('0.5');
  await expect(episodes).toHaveValue('512');
  await expect(button(page, 'Run the three stages')).toBeVisible();
});

test('a browser that keeps nothing: the page opens all the same, and says what could not be kept', async ({
  page,
}) => {
  const witness = watch(page);
  await page.addInitScript(() => {
    const refuse = () => {
      throw new DOMException('Access is denied for this document.', 'SecurityError');
    };
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches']) {
      Object.defineProperty(globalThis, name, { get: refuse });
    }
    Object.defineProperty(navigator, 'storage', { value: undefined });
  });
  await fakeWorker(page, { pace: 0.02 });
  await page.goto('./');
  await expect(recordedBadge(page)).toContainText('This is a recording.');
  await button(page, 'Switch to the dark theme').click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  for (const name of ['Model', 'Data', 'Judge', 'Compare']) await tab(page, name).click();
  await button(page, 'Close the card').click();
  await button(page, 'Runs').first().click();
  await page.keyboard.press('Escape');
  await button(page, 'Run it yourself').click();
  await expect(notice(page)).toContainText(/did not keep something/);
  expect(witness).toEqual({ complaints: [], foreign: [] });
});
