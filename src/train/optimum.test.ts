// The trainers against tasks whose optimum is known exactly: all of tests/optima.ts, at length (tests/optima.browser.test.ts
// runs it on both backends).
import { beforeAll, it, vi } from 'vitest';
import { OPTIMA } from '../../tests/optima';
import { openDevice } from '../engine/device';

vi.mock('../model/logprobs', async () => (await import('../../tests/enumerable')).MODULES.logprobs);
vi.mock('../model/heads', async () => (await import('../../tests/enumerable')).MODULES.heads);
vi.mock('../model/generate', async () => (await import('../../tests/enumerable')).MODULES.generate);

beforeAll(async () => {
  await openDevice('wasm');
});

it.each(Object.keys(OPTIMA))('%s', { timeout: 240_000 }, (name) => OPTIMA[name]!(true));
