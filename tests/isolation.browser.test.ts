// The browser tests rely on what the tooling promises: wasm threads, WebGPU and the bundled model within reach.
import { expect, test } from 'vitest';

test('the test page is cross-origin isolated, so wasm threads work', () => {
  expect(crossOriginIsolated).toBe(true);
});

test('WebGPU has an adapter', async () => {
  expect(await navigator.gpu.requestAdapter()).not.toBeNull();
});

test('the bundled model is served', async () => {
  const response = await fetch('/models/stories-neo/config.json');
  expect(await response.json()).toHaveProperty('model_type', 'gpt_neo');
});
