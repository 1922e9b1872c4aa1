// What each of those compared gives: a device opened, and a job on it that does a workload again and again. Nothing is
// disposed of: a seat serves one workload and is closed.

import type { Work } from './plan';

/** One run, done when the device has done it. Its numbers must be everyone's (losses, log-probabilities). */
export type Job = () => Promise<number[]>;

export interface Contestant {
  /** Opens the device; its name. */
  open(backend: 'wasm' | 'webgpu'): Promise<string>;
  prepare(work: Work): Promise<Job>;
}
