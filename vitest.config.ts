// Two projects: `unit` for pure code under Node, `browser` for what needs WebGPU, wasm threads or storage, in a full
// Chromium (its headless shell has no WebGPU) with a software adapter so that it runs on any machine.
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, mergeConfig } from 'vitest/config';
import { launchOptions } from './tools/chromium.ts';
import vite from './vite.config.ts';

export default mergeConfig(
  vite,
  defineConfig({
    test: {
      projects: [
        {
          extends: true,
          test: {
            name: 'unit',
            environment: 'node',
            include: ['{src,tools,bench}/**/*.test.ts'],
          },
        },
        {
          extends: true,
          test: {
            name: 'browser',
            include: ['tests/**/*.browser.test.ts'],
            testTimeout: 60_000,
            fileParallelism: false,
            browser: {
              enabled: true,
              headless: true,
              screenshotFailures: false,
              provider: playwright({ launchOptions: launchOptions('software') }),
              instances: [{ browser: 'chromium' }],
            },
          },
        },
      ],
    },
  }),
);
