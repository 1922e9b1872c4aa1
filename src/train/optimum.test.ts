// The trainers against tasks whose optimum is known exactly: all of tests/optima.ts, at length (tests/optima.browser.test.ts
// runs it on both backends).
import { beforeAll, it } from 'vitest';
import { OPTIMA } from '../../tests/optima';
import { openDevice } from '../engine/device';

beforeAll(async () => {
  await openDevice('wasm');
});

it.each(Object.keys(OPTIMA))('%s', { timeout: 240_000 }, (name) => OPTIMA[name]!(true));
