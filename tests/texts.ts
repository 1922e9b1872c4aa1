// Batches of texts for the tests of attention: padded on the left, on the right or not at all, some rows of several
// documents, and of two kinds of tokens, so that many begin alike.
import { hash32 } from '../src/engine/random';
import type { TokenBatch } from '../src/model/types';

export function textsOf(batch: number, length: number, ...words: (number | string)[]): TokenBatch {
  const ids = Int32Array.from({ length: batch * length }, (_, i) => hash32(...words, i) % 2);
  const mask = new Int32Array(batch * length).fill(1);
  for (let b = 0; b < batch; b++) {
    const row = mask.subarray(b * length, (b + 1) * length);
    const padding = hash32(...words, b, 'padding') % length;
    const kind = hash32(...words, b, 'kind') % 4;
    if (kind === 1) row.fill(0, 0, padding);
    if (kind === 2) row.fill(0, length - padding);
    if (kind === 3) row.forEach((_, t) => (row[t] = 1 + Math.floor((3 * t) / length)));
  }
  return { ids, mask, batch, length };
}
