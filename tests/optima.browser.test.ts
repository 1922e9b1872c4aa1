// The trainers against exact optima on both backends, in short; `FULL=1` at length (src/train/optimum.test.ts is always).
import { describe, it } from 'vitest';
import { full } from './full';
import { useDevice } from './kernels';
import { OPTIMA } from './optima';

describe.each(['wasm', 'webgpu'] as const)('%s', { timeout: full ? 1_800_000 : 120_000 }, (backend) => {
  useDevice(backend);

  it.each(Object.keys(OPTIMA))('%s', (name) => OPTIMA[name]!(full));
});
