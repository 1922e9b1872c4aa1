// Figures of memory must never promise more than the backend can address.

import { expect, it } from 'vitest';
import { memoryBudget } from './budget';

it('is what the machine has, but no more than wasm can address, and nothing where nobody tells', () => {
  expect(memoryBudget('webgpu', 8)).toBe(8e9);
  expect(memoryBudget('wasm', 8)).toBe(4e9);
  expect(memoryBudget('wasm', 2)).toBe(2e9);
  expect(memoryBudget('webgpu', undefined)).toBeNull();
});
