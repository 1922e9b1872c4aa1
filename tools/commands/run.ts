// `run EXPERIMENT.json --out DIR`: lends the worker the output directory and the experiment's files, starts the run and
// waits for its end. `--kill-at` ends everything the moment the named step is told, to prove that resuming works.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseState, STATE } from '../../src/experiment/stored-state.ts';
import { PlaygroundError } from '../../src/shared/errors.ts';
import { stageNames, type Experiment } from '../../src/shared/experiment.ts';
import type { Event } from '../../src/shared/protocol.ts';
import { prepareDirectory, readInput } from '../files.ts';
import { tellProgress } from '../progress.ts';
import { withSession, type Place } from '../session.ts';
import { fetchExperiment, lendExperiment, readExperiment } from './experiment.ts';

export interface RunInput extends Place {
  experiment: string;
  out: string;
  seed: number | null;
  /** STAGE:STEP */
  killAt: string | null;
  resume: boolean;
}

export function parseKillAt(text: string, experiment: Experiment): { stage: string; step: number } {
  const [, stage = '', step = ''] = /^(.+):(\d+)$/.exec(text) ?? [];
  const names = stageNames(experiment.stages);
  if (names.includes(stage) && Number(step) > 0) return { stage, step: Number(step) };
  throw new PlaygroundError(
    'bad-arguments',
    `run: --kill-at is "${text}".`,
    `It may be STAGE:STEP, the stage one of ${names.join(', ')}, the step a whole number from 1.`,
  );
}

function prepareOut(out: string, resume: boolean): void {
  if (resume && !existsSync(out)) {
    throw new PlaygroundError(
      'bad-arguments',
      `run: --resume is given, and there is no directory ${out}.`,
      'Name the directory of the run to go on with.',
    );
  }
  prepareDirectory(out);
  if (!resume && readdirSync(out).length > 0) {
    throw new PlaygroundError(
      'bad-arguments',
      `run: the directory ${out} is not empty.`,
      'Add --resume to go on with the run in it, or name another directory.',
    );
  }
}

/** The seed of the run in a directory, null where none has begun: it goes on with its own, whatever the file says. */
function seedOf(out: string): number | null {
  const path = join(out, STATE);
  return existsSync(path) ? parseState(readInput(path), STATE, null).experiment.seed : null;
}

/** How a run ended, once it has. */
export const runEnd = (event: Event) =>
  event.type === 'run' && ['finished', 'stopped', 'failed'].includes(event.state) ? event.state : undefined;

/** Runs an experiment to its end; true if it finished. */
export async function run(input: RunInput): Promise<boolean> {
  const read = readExperiment(input.experiment);
  const kill = input.killAt === null ? null : parseKillAt(input.killAt, read);
  const lent = lendExperiment(read, input.experiment);
  prepareOut(input.out, input.resume);
  const seed = input.seed ?? (input.resume ? seedOf(input.out) : null) ?? read.seed;
  const { experiment: fetched, base, mounts } = await fetchExperiment(lent, input.experiment);
  const experiment = { ...fetched, seed };
  mounts['out'] = { directory: resolve(input.out), writable: true };
  const state = await withSession(
    {
      backend: input.backend,
      host: input.host,
      mounts,
      onEvent: (event, powerCut) => {
        tellProgress(event);
        if (event.type !== 'metrics' || !kill) return;
        if (event.row.stage === kill.stage && event.row.step === kill.step) powerCut();
      },
    },
    (request) =>
      request({ type: 'start', runId: 'dir:/files/out', experiment, base, resume: input.resume }, runEnd),
  );
  const report = join(input.out, 'report.md');
  if (existsSync(report)) console.log(readFileSync(report, 'utf8'));
  if (kill && state === 'finished') {
    throw new PlaygroundError(
      'bad-arguments',
      `run: --kill-at is "${input.killAt}", and the run ended without coming to that step. It is whole in ${input.out}.`,
      'Name a step that the stage takes: metrics.jsonl has a row for each.',
    );
  }
  return state === 'finished';
}
