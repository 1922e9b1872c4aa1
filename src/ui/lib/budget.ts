// How much memory there may be for models and training, as far as a browser tells: it rounds what the machine has, and
// says nothing of the graphics memory.

import type { BackendName } from '../../shared/protocol';

/** Bytes of `gigabytes`, what the browser tells of the machine; null where it tells nothing. A wasm heap ends at 4 GB
 *  whatever the machine has. */
export function memoryBudget(backend: BackendName, gigabytes: number | undefined): number | null {
  return gigabytes === undefined ? null : 1e9 * Math.min(gigabytes, backend === 'wasm' ? 4 : Infinity);
}
