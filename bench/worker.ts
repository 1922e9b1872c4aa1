// One of those compared, in a worker of its own: it is told to open, prepare and run, and every run is measured here in
// the same way. Its memory goes with the worker.

import type { Contestant, Job } from './contestant';
import { allocatedBytes, dispatches, install } from './instruments';
import type { Name, Work } from './plan';

/** What was measured of one run. */
export interface Sample {
  milliseconds: number;
  dispatches: number;
  allocatedBytes: number;
  numbers: number[];
}

export type Request =
  { do: 'open'; name: Name; backend: 'wasm' | 'webgpu' } | { do: 'prepare'; work: Work } | { do: 'run' };

export type Answer = { result: unknown } | { error: string };

const contestants: Record<Name, () => Promise<Contestant>> = {
  ours: async () => (await import('./contestants/tfjs')).ours,
  plain: async () => (await import('./contestants/tfjs')).plain,
  'jax-js': async () => (await import('./contestants/jax')).jaxJs,
  nanogpt: async () => (await import('./contestants/nanogpt')).nanogpt,
  transformers: async () => (await import('./contestants/onnxruntime')).transformers,
};

let contestant: Contestant | undefined;
let job: Job | undefined;

async function run(): Promise<Sample> {
  const before = dispatches();
  const start = performance.now();
  const numbers = (await job?.()) ?? [];
  const milliseconds = performance.now() - start;
  return { milliseconds, dispatches: dispatches() - before, allocatedBytes: allocatedBytes(), numbers };
}

async function answer(request: Request): Promise<unknown> {
  switch (request.do) {
    case 'open':
      contestant = await contestants[request.name]();
      return contestant.open(request.backend);
    case 'prepare':
      job = await contestant?.prepare(request.work);
      return run();
    case 'run':
      return run();
  }
}

/** Answers one request after another. */
export async function serve(request: Request): Promise<Answer> {
  try {
    return { result: await answer(request) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

install();
if ('WorkerGlobalScope' in globalThis) {
  self.onmessage = async ({ data }: MessageEvent<Request>) => self.postMessage(await serve(data));
}
