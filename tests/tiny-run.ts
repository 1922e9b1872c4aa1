// Whole runs on a small model, for tests of runs: every tensor accounted for, a power cut at any step, and what must be
// the same after it.

import { expect } from 'vitest';
import { Control } from '../src/experiment/control';
import { type RunOptions, runExperiment } from '../src/experiment/run';
import { tf } from '../src/engine/tf';
import type { Event, MetricsRow } from '../src/shared/protocol';
import { MemoryStore } from './memory-store';

export type TinyRun = Pick<RunOptions, 'experiment' | 'model' | 'device' | 'readData'> & {
  store?: MemoryStore;
  resume?: boolean;
  from?: string;
  control?: Control;
  tell?: (event: Event) => void;
};

export async function tinyRun({
  store = new MemoryStore(),
  resume = false,
  control = new Control(),
  tell,
  ...options
}: TinyRun): Promise<{ store: MemoryStore; events: Event[] }> {
  const events: Event[] = [];
  const before = tf.memory().numTensors;
  try {
    await runExperiment({
      ...{ ...options, store, resume, control },
      tell: (event) => {
        events.push(event);
        tell?.(event);
      },
    });
  } finally {
    expect(tf.memory().numTensors).toBe(before);
  }
  return { store, events };
}

/** A run that loses power as soon as the step is told, and what is on disk then. */
export async function killedAt(stage: string, step: number, options: TinyRun): Promise<MemoryStore> {
  const store = new MemoryStore();
  let left: MemoryStore | null = null;
  const tell = (event: Event): void => {
    options.tell?.(event);
    if (left || event.type !== 'metrics' || event.row.stage !== stage || event.row.step !== step) return;
    left = store.copy();
    throw new Error('power cut');
  };
  await expect(tinyRun({ ...options, store, tell })).rejects.toThrow('power cut');
  return left!;
}

/** What must be equal: everything but times. */
export function outcome(store: MemoryStore): Record<string, string> {
  const timeless = (line: string): string =>
    line === '' ? '' : JSON.stringify({ ...(JSON.parse(line) as MetricsRow), seconds: 0, eps: 0 });
  return Object.fromEntries(
    [...store.files.keys()]
      .filter((path) => /^(adapters\/|metrics|samples|pairs|changes)/.test(path))
      .sort()
      .map((path) => [
        path,
        path === 'metrics.jsonl'
          ? store.text(path).split('\n').map(timeless).join('\n')
          : Array.from(store.files.get(path)!).join(),
      ]),
  );
}

/** The rows of a file of a run. */
export const rowsOf = <T>(store: MemoryStore, path: string): T[] =>
  store
    .text(path)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

export const jsonl = (rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
