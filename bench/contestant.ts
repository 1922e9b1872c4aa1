// What each of those compared gives: a device opened, and jobs on it that do a workload again and again.

import type { Work } from './plan';

/** One run, done when the device has done it. Its numbers must be everyone's (losses, log-probabilities). */
export interface Job {
  run(): Promise<number[]>;
  dispose(): void;
}

export interface Contestant {
  /** Opens the device; its name. */
  open(backend: 'wasm' | 'webgpu'): Promise<string>;
  prepare(work: Work): Promise<Job>;
}
