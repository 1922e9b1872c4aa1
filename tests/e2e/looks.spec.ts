// How every view looks: light, dark and narrow. What holds on any machine is held on any: nothing runs out, is cut off or
// lies over something else. Pictures are compared besides where text is drawn as it was for the ones kept: letters
// differ from machine to machine, and a tolerance wide enough for that would let anything pass. A folder of pictures is
// therefore named after what the browser's letters measure; `--update-snapshots` makes one for the machine it runs on.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { expect, test, type Page, type TestInfo } from '@playwright/test';
import { finishedRun, STATIONS, tab } from './fixtures/parts';
import { structureFaults } from './fixtures/structure';

/** Pictures are kept at half size: what has moved, vanished or changed its colour is seen, in a third of the bytes. */
const SCALE = 0.5;

const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  narrow: { colorScheme: 'light', viewport: { width: 360, height: 1200 } },
} as const;

/** Names how this browser draws the page's letters: their widths in each family and weight, and its version. */
async function lettersOf(page: Page): Promise<string> {
  const widths = await page.evaluate(() => {
    const context = document.createElement('canvas').getContext('2d')!;
    const style = getComputedStyle(document.documentElement);
    return ['--ui', '--prose', '--maths'].flatMap((family) =>
      [400, 600].map((weight) => {
        context.font = `${weight} 40px ${style.getPropertyValue(family) || 'math'}`;
        return context.measureText('Once upon a time, 0123456789 → ∑ %').width.toFixed(2);
      }),
    );
  });
  const version = page.context().browser()?.version().split('.')[0] ?? '';
  return createHash('sha256')
    .update(`${version} ${widths.join(' ')}`)
    .digest('hex')
    .slice(0, 8);
}

/** Compares pictures where there are some of these letters, or where they are asked for. */
async function expectLook(page: Page, name: string, info: TestInfo): Promise<void> {
  const folder = await lettersOf(page);
  const wanted = ['all', 'changed'].includes(info.config.updateSnapshots);
  if (!wanted && !existsSync(info.snapshotPath(folder, `${name}.png`))) return;
  await expect(page).toHaveScreenshot([folder, `${name}.png`], {
    animations: 'disabled',
    scale: 'device',
    maxDiffPixelRatio: 0.005,
    timeout: 20_000,
  });
}

for (const [look, use] of Object.entries(LOOKS)) {
  test.describe(look, () => {
    test.use({ ...use, deviceScaleFactor: SCALE, contextOptions: { reducedMotion: 'reduce' } });

    test(`every view, ${look}`, async ({ page }, info) => {
      // Which of two endings comes first is drawn by lot.
      await page.addInitScript(() => (Math.random = () => 0.25));
      await finishedRun(page);
      for (const name of STATIONS) {
        await tab(page, name).click();
        await page.mouse.move(0, 0);
        await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
        await expect(page.getByRole('tabpanel', { name, exact: true })).toBeVisible();
        if (name === 'Judge') await expect(page.locator('blockquote').last()).not.toBeEmpty();
        expect(await structureFaults(page), name).toEqual([]);
        await expectLook(page, `${look}-${name.toLowerCase()}`, info);
      }
    });
  });
}
