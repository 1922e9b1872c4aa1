// Figures of memory must never promise more than the backend can address.

import { expect, it } from 'vitest';
import { memoryOf } from './machine';

it('is what the machine has, but no more than wasm can address, and nothing where nobody tells', () => {
  expect(memoryOf('webgpu', 8)).toBe(8e9);
  expect(memoryOf('wasm', 8)).toBe(2 ** 32);
  expect(memoryOf('wasm', 2)).toBe(2e9);
  expect(memoryOf('webgpu', undefined)).toBeNull();
});
