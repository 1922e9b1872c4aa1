// Four projects: `unit` for pure code under Node; `engine` for what the engine computes and `browser` for what needs wasm
// threads, storage or memory of its own, both in a full Chromium (its headless shell has no WebGPU) with a software adapter
// so that they run on any machine; and `gpu` for the tests of the engine under Node with Dawn, which computes on this
// machine's own GPU, if it has one.
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, mergeConfig } from 'vitest/config';
import { tableForModel } from './tests/table-plugin.ts';
import { launchOptions } from './tools/chromium.ts';
import { softwareVulkan } from './tools/host/node-host.ts';
import vite from './vite.config.ts';

/** The tests of what the engine computes, and of nothing that only a browser has: those whose shaders are much the same … */
const ALIKE =
  `dispatches generate golden kernels-webgpu kernels-webgpu-small linears llama-kernels many-workgroups
  methods optima token-kl`.split(/\s+/);
/** … and those with many of their own. */
const OTHERS = ['quantization', 'tuning'];

const files = (names: readonly string[]) => `tests/{${names.join()}}.browser.test.ts`;

/** In a Chromium of its own: all pages of one share a process that compiles shaders, on a software adapter the slowest. */
const inChromium = () => ({
  setupFiles: ['tests/gpu-errors.ts'],
  env: { FULL: process.env['FULL'] ?? '' }, // as import.meta.env: the long versions of some tests
  testTimeout: 60_000,
  maxWorkers: 1,
  browser: {
    enabled: true,
    headless: true,
    screenshotFailures: false,
    provider: playwright({ launchOptions: launchOptions('software') }),
    instances: [{ browser: 'chromium' as const }],
  },
});

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
        // One page for all of them, so that no shader is compiled twice.
        { extends: true, test: { name: 'engine', include: [files(ALIKE)], isolate: false, ...inChromium() } },
        {
          extends: true,
          test: {
            name: 'browser',
            include: ['tests/**/*.browser.test.ts'],
            exclude: [files(ALIKE)],
            ...inChromium(),
          },
        },
        {
          extends: true,
          test: {
            name: 'gpu',
            environment: 'node',
            include: [files([...ALIKE, ...OTHERS])],
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
