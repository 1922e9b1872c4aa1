// The trainers against exact optima on both backends, in short; `FULL=1` at length (src/train/optimum.test.ts is always).
import { beforeAll, describe, it } from 'vitest';
import { openDevice } from '../src/engine/device';
import { full } from './full';
import { OPTIMA } from './optima';

describe.each(['wasm', 'webgpu'] as const)('%s', { timeout: full ? 1_800_000 : 120_000 }, (backend) => {
  beforeAll(async () => {
    await openDevice(backend);
  });

  it.each(Object.keys(OPTIMA))('%s', (name) => OPTIMA[name]!(full));
});
