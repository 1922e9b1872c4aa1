// Every golden scalar of the method reference, to 1e-6 relative (tests/methods.browser.test.ts does it on WebGPU).
import { expect, it } from 'vitest';
import { scalarErrors, SCALARS } from '../../tests/golden-scalars';
import { openDevice } from '../engine/device';

it('every golden scalar of the methods is met to 1e-6', async () => {
  await openDevice('wasm');
  const errors = await scalarErrors();
  expect(errors).toHaveLength(SCALARS.length);
  expect(errors.filter(({ error }) => !(error <= 1e-6))).toEqual([]);
});
