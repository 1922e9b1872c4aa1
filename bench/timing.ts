// How the benchmarks of the kernels time things.

import { normals } from '../src/engine/random';
import { tf } from '../src/engine/tf';

export const random = (rows: number, columns: number): tf.Tensor2D =>
  tf.tensor2d(normals(rows * columns, 1, rows, columns), [rows, columns]);

/**
 * Milliseconds of one call: the least over `milliseconds` of calls, since whatever else the machine does only adds.
 * Clocks are coarse (5 µs when cross-origin isolated), so short calls are timed several at a time.
 */
export function least(f: () => tf.TensorContainer, milliseconds = 200): number {
  const group = (times: number) => {
    const start = performance.now();
    for (let i = 0; i < times; i++) tf.dispose(f());
    return (performance.now() - start) / times;
  };
  let best = Infinity;
  // The first calls run code that is not yet compiled for speed.
  for (const end = performance.now() + milliseconds / 4; performance.now() < end;)
    best = Math.min(best, group(1));
  const times = Math.max(1, Math.round(0.2 / Math.max(best, 1e-3)));
  for (const end = performance.now() + milliseconds; performance.now() < end;) {
    best = Math.min(best, group(times));
  }
  return best;
}
