// `run EXPERIMENT.json --out DIR`: lends the worker the output directory and the experiment's files, starts the run and
// waits for its end. `--kill-at` ends everything the moment the named step is told, to prove that resuming works.
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PlaygroundError } from '../../src/shared/errors.ts';
import { stageNames, type Experiment } from '../../src/shared/experiment.ts';
import type { Event } from '../../src/shared/protocol.ts';
import { parseExperiment } from '../../src/shared/validate.ts';
import { lendDirectory, lendModel, readInput } from '../files.ts';
import { tellProgress } from '../progress.ts';
import { lendFile, type Mount } from '../server.ts';
import { withSession, type Place } from '../session.ts';

export interface RunInput extends Place {
  experiment: string;
  out: string;
  seed: number | null;
  /** STAGE:STEP */
  killAt: string | null;
  resume: boolean;
}

/** The experiment of a file, checked; warnings go to stderr. */
export function readExperiment(path: string): Experiment {
  const { experiment, warnings } = parseExperiment(readInput(path), path);
  for (const { path: where, message, fix } of warnings) console.error(`warning: ${where}: ${message} ${fix}`);
  return experiment;
}

/** The experiment with the places of its model and data as the worker reaches them, and what to lend for that. */
export function lendExperiment(
  experiment: Experiment,
  file: string,
): { experiment: Experiment; mounts: Record<string, Mount> } {
  const folder = dirname(resolve(file));
  const { model, mounts } = lendModel(experiment.model, folder);
  const data = Object.entries(experiment.data as Record<string, string>).map(([part, place]) => {
    if (place.startsWith('builtin:')) return [part, place];
    const path = resolve(folder, place);
    if (!existsSync(path)) {
      const message = `${file}: data.${part} is "${place}", and there is no file ${path}.`;
      throw new PlaygroundError('not-found', message, 'Paths are relative to the experiment file.');
    }
    if (part.endsWith('_model_path')) {
      const whole = experiment.lora.use_peft === false;
      mounts[part] = whole
        ? lendDirectory(path, 'config.json', 'model in Hugging Face layout')
        : lendDirectory(path, 'adapter_config.json', 'PEFT adapter');
      return [part, `/files/${part}`];
    }
    const lent = lendFile(`data-${part}`, path);
    mounts[`data-${part}`] = lent.mount;
    return [part, lent.path];
  });
  return {
    experiment: { ...experiment, model, data: Object.fromEntries(data) as Experiment['data'] },
    mounts,
  };
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
  const holdsRun = existsSync(out) && readdirSync(out).length > 0;
  if (holdsRun && !resume) {
    throw new PlaygroundError(
      'bad-arguments',
      `run: the directory ${out} is not empty.`,
      'Add --resume to go on with the run in it, or name another directory.',
    );
  }
  if (!existsSync(out) && resume) {
    throw new PlaygroundError(
      'bad-arguments',
      `run: --resume is given, and there is no directory ${out}.`,
      'Name the directory of the run to go on with.',
    );
  }
  mkdirSync(out, { recursive: true });
}

/** How a run ended, once it has. */
export const runEnd = (event: Event) =>
  event.type === 'run' && ['finished', 'stopped', 'failed'].includes(event.state) ? event.state : undefined;

/** Runs an experiment to its end; true if it finished. */
export async function run(input: RunInput): Promise<boolean> {
  const read = readExperiment(input.experiment);
  const { experiment, mounts } = lendExperiment({ ...read, seed: input.seed ?? read.seed }, input.experiment);
  const kill = input.killAt === null ? null : parseKillAt(input.killAt, experiment);
  prepareOut(input.out, input.resume);
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
      request({ type: 'start', runId: 'dir:/files/out', experiment, resume: input.resume }, runEnd),
  );
  const report = join(input.out, 'report.md');
  if (existsSync(report)) console.log(readFileSync(report, 'utf8'));
  return state === 'finished';
}
