// Gradients against finite differences (tests/gradient-checks.ts; tests/methods.browser.test.ts does it on WebGPU).
// `FULL=1` looks at every variable by itself.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CHECKS, gradientTask } from '../../tests/gradient-checks';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';

const apart = process.env['FULL'] === '1';
let task: Awaited<ReturnType<typeof gradientTask>>;
beforeAll(async () => {
  await openDevice('wasm');
  task = await gradientTask(nodeDirectory('tests/fixtures/gpt-neo-odd'));
});
afterAll(() => task.dispose());

it.each(CHECKS)('%s through %s', { timeout: 60_000 }, async (name, part) => {
  const errors = await task.slopes(name, part, { apart });
  expect(errors.length).toBeGreaterThan(2);
  for (const error of errors) expect(Math.abs(error)).toBeLessThan(1e-3);
});
