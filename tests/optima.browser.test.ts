// The trainers against exact optima on both backends, in short; `FULL=1` at length (src/train/optimum.test.ts is always).
import { beforeAll, describe, it, vi } from 'vitest';
import { openDevice } from '../src/engine/device';
import { full } from './full';
import { OPTIMA } from './optima';

vi.mock('../src/model/logprobs', async () => (await import('./enumerable')).MODULES.logprobs);
vi.mock('../src/model/heads', async () => (await import('./enumerable')).MODULES.heads);
vi.mock('../src/model/generate', async () => (await import('./enumerable')).MODULES.generate);

describe.each(['wasm', 'webgpu'] as const)('%s', { timeout: full ? 1_800_000 : 120_000 }, (backend) => {
  beforeAll(async () => {
    await openDevice(backend);
  });

  it.each(Object.keys(OPTIMA))('%s', (name) => OPTIMA[name]!(full));
});
