// A run's files in memory, for tests of runs; `copy` is what a power cut would leave behind.

import type { RunStore } from '../src/storage/run-store';

export class MemoryStore implements RunStore {
  constructor(readonly files = new Map<string, Uint8Array>()) {}

  copy(): MemoryStore {
    return new MemoryStore(new Map(this.files));
  }

  text(path: string): string {
    return new TextDecoder().decode(this.files.get(path));
  }

  read(path: string): Promise<Uint8Array | null> {
    return Promise.resolve(this.files.get(path) ?? null);
  }

  write(path: string, bytes: Uint8Array): Promise<void> {
    this.files.set(path, bytes.slice());
    return Promise.resolve();
  }

  append(path: string, text: string): Promise<void> {
    this.files.set(path, new TextEncoder().encode((this.files.has(path) ? this.text(path) : '') + text));
    return Promise.resolve();
  }

  list(prefix: string): Promise<string[]> {
    return Promise.resolve([...this.files.keys()].filter((path) => path.startsWith(prefix)).sort());
  }

  remove(path: string): Promise<void> {
    this.files.delete(path);
    return Promise.resolve();
  }
}
