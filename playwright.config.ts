// End-to-end tests: the built site, served by our own server, in the Chromium that the finder finds.
import { defineConfig } from '@playwright/test';
import { launchOptions } from './tools/chromium.ts';

const port = 4178;

export default defineConfig({
  testDir: 'tests/e2e',
  outputDir: 'test-results',
  timeout: 240_000,
  workers: 1,
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
