// How much memory there may be for models and training, as far as a browser tells: it rounds what the machine has, and
// says nothing of the graphics memory.

import { WASM_LIMIT } from '../../shared/budget';
import type { BackendName } from '../../shared/protocol';

/** Bytes of `gigabytes`, what the browser tells of the machine; null where it tells nothing. A wasm heap ends
 *  where it does whatever the machine has. */
export function memoryOf(backend: BackendName, gigabytes: number | undefined): number | null {
  return gigabytes === undefined
    ? null
    : Math.min(1e9 * gigabytes, backend === 'wasm' ? WASM_LIMIT : Infinity);
}
