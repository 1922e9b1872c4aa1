// What checkpoint/state.json says, read without trusting that a crash or a disk left it whole. Apart from checkpoint.ts,
// so that the command line can read a run's seed without the engine.

import { PlaygroundError } from '../shared/errors';
import type { Experiment } from '../shared/experiment';
import type { BackendName } from '../shared/protocol';
import type { Found } from './workshop';

export const STATE = 'checkpoint/state.json';

/** How far a run is; what is not in the stage's own state. */
export interface Progress {
  /** Place in `experiment.stages` of the stage in progress; their number when all are done. */
  stage: number;
  seconds: Record<string, number>;
  /** Lines written to each output file. */
  lines: Record<string, number>;
  found: Found;
}

export interface StoredState<Kernels = unknown> extends Progress {
  format: 1;
  experiment: Experiment;
  backend: BackendName;
  /** Chosen for the device. */
  kernels: Kernels;
  /** Of the model's weights and of each file of rows; runs begun by an earlier version have none. */
  fingerprints?: Record<string, string>;
  /** Null between stages. */
  state: StageProgress | null;
}

export interface StageProgress {
  step: number;
  scalars: Record<string, number>;
  updates: Record<string, number>;
  tensors: string;
}

/** `path` is the file's name in messages, `earlier` a checkpoint to go back to. Throws `bad-checkpoint`. */
export function parseState(text: string, path: string, earlier: string | null): StoredState {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw damaged(path, 'is not whole', earlier);
  }
  const object = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const count = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
  const checks: Record<keyof StoredState, (value: unknown) => boolean> = {
    format: (value) => value === 1,
    experiment: (value) => object(value) && Array.isArray(value['stages']) && count(value['seed']),
    backend: (value) => value === 'webgpu' || value === 'wasm',
    kernels: () => true,
    fingerprints: (value) => value === undefined || object(value),
    stage: count,
    seconds: object,
    lines: (value) => object(value) && Object.values(value).every(count),
    found: (value) =>
      object(value) && ['evaluation', 'comparisons', 'findings'].every((key) => object(value[key])),
    state: (value) =>
      value === null ||
      (object(value) &&
        count(value['step']) &&
        object(value['scalars']) &&
        object(value['updates']) &&
        typeof value['tensors'] === 'string'),
  };
  const fields = object(json) ? json : {};
  const wrong = Object.entries(checks).find(([key, holds]) => !holds(fields[key]));
  if (wrong) throw damaged(path, `has no sound "${wrong[0]}"`, earlier);
  return json as StoredState;
}

export function damaged(path: string, what: string, earlier: string | null): PlaygroundError {
  const back = `go back to ${earlier} (on the command line, copy it over ${STATE})`;
  return new PlaygroundError(
    'bad-checkpoint',
    `The checkpoint ${path} ${what}. Nothing else of the run was touched.`,
    earlier === null ? 'Start a new run.' : `You can ${back}, or start a new run.`,
  );
}
