// End-to-end tests: the built site, served by our own server, in the Chromium that the finder finds.
import { defineConfig } from '@playwright/test';
import { launchOptions } from './tools/chromium.ts';

const port = 4178;

/** What is measured, and so has the machine for itself. */
const ALONE = /@alone/;

export default defineConfig({
  testDir: 'tests/e2e',
  outputDir: 'test-results',
  snapshotPathTemplate: '{testDir}/{testFilePath}-snapshots/{arg}-{platform}{ext}',
  timeout: 240_000,
  // Most pages leave much of two cores idle: their worker is scripted, or waits for them.
  fullyParallel: true,
  workers: 2,
  projects: [
    { name: 'page', grepInvert: ALONE },
    { name: 'alone', grep: ALONE, workers: 1 },
  ],
  reporter: 'list',
  use: {
    baseURL: `http://localhost:${port}/`,
    launchOptions: launchOptions('software'),
    // `--trace on` records what a test did. Of every test it would take a third of the time.
    trace: 'off',
    screenshot: 'only-on-failure',
  },
  webServer: {
    command: `node tools/bootstrap.mjs start --port ${port} --no-open`,
    url: `http://localhost:${port}/`,
    reuseExistingServer: false,
    timeout: 120_000,
  },
});
