// Three projects: `unit` for pure code under Node, `browser` for what needs WebGPU, wasm threads or storage, in a full
// Chromium (its headless shell has no WebGPU) with a software adapter so that it runs on any machine, and `gpu` for the
// same tests of the engine under Node with Dawn, which computes on this machine's own GPU, if it has one.
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, mergeConfig } from 'vitest/config';
import { tableForModel } from './tests/table-plugin.ts';
import { launchOptions } from './tools/chromium.ts';
import { softwareVulkan } from './tools/host/node-host.ts';
import vite from './vite.config.ts';

/** What a GPU computes, and nothing of a browser. */
const gpuTests =
  `dispatches generate golden kernels-webgpu kernels-webgpu-small linears llama-kernels many-workgroups
  methods optima quantization tuning`.split(/\s+/);

export default mergeConfig(
  vite,
  defineConfig({
    plugins: [tableForModel],
    test: {
      projects: [
        {
          extends: true,
          test: {
            name: 'unit',
            environment: 'node',
            include: ['{src,tools,bench}/**/*.test.ts'],
            maxWorkers: '100%', // Vitest would leave one core idle, of two the half
          },
        },
        {
          extends: true,
          test: {
            name: 'browser',
            include: ['tests/**/*.browser.test.ts'],
            setupFiles: ['tests/gpu-errors.ts'],
            env: { FULL: process.env['FULL'] ?? '' }, // as import.meta.env: the long versions of some tests
            testTimeout: 60_000,
            maxWorkers: 2,
            browser: {
              enabled: true,
              headless: true,
              screenshotFailures: false,
              provider: playwright({ launchOptions: launchOptions('software') }),
              instances: [{ browser: 'chromium' }],
            },
          },
        },
        {
          extends: true,
          test: {
            name: 'gpu',
            environment: 'node',
            include: [`tests/{${gpuTests.join()}}.browser.test.ts`],
            setupFiles: ['tests/dawn.ts', 'tests/gpu-errors.ts'],
            env: softwareVulkan(),
            testTimeout: 60_000,
            fileParallelism: false,
          },
        },
      ],
    },
  }),
);
