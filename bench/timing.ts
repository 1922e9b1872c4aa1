// How the benchmarks of the wasm engine time things, and the switch between our kernels and stock tfjs-wasm.

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

/** The same for something that waits. */
export async function leastAsync(f: () => Promise<void>, times: number): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await f();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

/** What `f` gives with our kernels taken away, so that every op is its composition of stock tfjs-wasm ops. */
export async function withStockOps<T>(f: () => T | Promise<T>): Promise<T> {
  const ours = tf.getKernelsForBackend('wasm').filter(({ kernelName }) => kernelName.startsWith('Rlhf'));
  ours.forEach(({ kernelName }) => tf.unregisterKernel(kernelName, 'wasm'));
  try {
    return await f();
  } finally {
    ours.forEach((kernel) => tf.registerKernel(kernel));
  }
}

export function table(head: string[], rows: (string | number)[][]): string {
  const line = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
