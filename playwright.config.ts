// End-to-end tests: the built site, served by our own server, in the Chromium that the finder finds.
import { defineConfig } from '@playwright/test';
import { launchOptions } from './tools/chromium.ts';

const port = 4178;

/** What computes a run, or is measured, and so has the machine for itself: all of these files, and what is marked so. */
const ALONE = /(machine|no-webgpu|replay)\.spec|@alone/;

export default defineConfig({
  testDir: 'tests/e2e',
  outputDir: 'test-results',
  snapshotPathTemplate: '{testDir}/{testFilePath}-snapshots/{arg}-{platform}{ext}',
  timeout: 240_000,
  // A page whose worker is scripted leaves much of two cores idle.
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
    trace: 'retain-on-failure',
  },
  webServer: {
    command: `node tools/bootstrap.mjs start --port ${port} --no-open`,
    url: `http://localhost:${port}/`,
    reuseExistingServer: false,
    timeout: 120_000,
  },
});
