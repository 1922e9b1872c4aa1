// An experiment file as commands take it: read and checked, with its model and data found on this machine. What is not
// there is told by line and field, before a device is opened or anything is written.
import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PlaygroundError } from '../../src/shared/errors.ts';
import { BARE, type DataSettings, type Experiment } from '../../src/shared/experiment.ts';
import { lineOfField, parseExperiment } from '../../src/shared/validate.ts';
import {
  isFile,
  lendAdapterAt,
  lendDirectory,
  lendModel,
  MODEL_FILES,
  placeOf,
  readInput,
} from '../files.ts';
import { fetchModel } from '../hub-cache.ts';
import { root } from '../once.mjs';
import { lendFile, type Mount } from '../server.ts';
import { checkFit } from './fit-model.ts';

/** The experiment of a file, checked; warnings go to stderr. */
export function readExperiment(path: string): Experiment {
  const { experiment, warnings } = parseExperiment(readInput(path), path);
  for (const { path: where, message, fix } of warnings) console.error(`warning: ${where}: ${message} ${fix}`);
  return experiment;
}

/** An experiment with the places of its model and data as the worker reaches them, and what to lend for that. */
interface LentExperiment {
  experiment: Experiment;
  base: string;
  mounts: Record<string, Mount>;
}

/** The same with a model of the hub fetched, of which only then is known whether the experiment of `file` fits it. */
export async function fetchExperiment(lent: LentExperiment, file: string): Promise<LentExperiment> {
  const { model, ...rest } = await fetchModel({ ...lent, model: lent.experiment.model });
  const directory = placeOf({ model, mounts: rest.mounts });
  if (model !== lent.experiment.model && directory !== null) checkFit(lent.experiment, file, directory);
  return { ...rest, experiment: { ...lent.experiment, model } };
}

/** Throws where a model or data that the experiment names is not there, or does not fit. */
export function lendExperiment(experiment: Experiment, file: string): LentExperiment {
  const folder = dirname(resolve(file));
  /** Says of a fault in which line and field of the file it is. */
  const told = <T>(field: string, value: string, find: () => T): T => {
    try {
      return find();
    } catch (error) {
      if (!(error instanceof PlaygroundError)) throw error;
      const place = `${file}, line ${lineOfField(readInput(file), file, field)}: ${field} is "${value}".`;
      throw new PlaygroundError(error.code, `${place} ${error.message}`, error.fix);
    }
  };
  const whole = experiment.lora.use_peft === false;
  const lend = (part: string, place: string): string => {
    if (part === 'sft_model_path' && place === BARE) return place;
    if (place.startsWith('builtin:')) return builtin(place, part);
    const path = resolve(folder, place);
    if (part.endsWith('_model_path')) {
      mounts[part] = whole ? lendDirectory(path, MODEL_FILES) : lendAdapterAt(path);
      return `/files/${part}`;
    }
    if (!isFile(path)) {
      const fix = 'Paths are relative to the experiment file.';
      throw new PlaygroundError('not-found', `There is no file ${path}.`, fix);
    }
    const lent = lendFile(`data-${part}`, path);
    mounts[`data-${part}`] = lent.mount;
    return lent.path;
  };
  const { model, base, mounts } = told('model', experiment.model, () => lendModel(experiment.model, folder));
  const directory = placeOf({ model, mounts });
  if (directory !== null) checkFit(experiment, file, directory);
  const data = Object.entries(experiment.data as Record<string, string>).map(([part, place]) => [
    part,
    told(`data.${part}`, place, () => lend(part, place)),
  ]);
  return {
    experiment: { ...experiment, model, data: Object.fromEntries(data) as DataSettings },
    base,
    mounts,
  };
}

/** A data set or adapter of ours as it is named, once seen to be there and of the kind that the field takes. */
function builtin(name: string, part: string): string {
  const folder = join(root, 'public/experiments');
  const adapter = part.endsWith('_model_path');
  const names = readdirSync(folder).flatMap((set) =>
    readdirSync(join(folder, set), { withFileTypes: true })
      .filter((entry) => (adapter ? entry.isDirectory() : entry.name.endsWith('.jsonl')))
      .map((entry) => `builtin:${set}/${entry.name.replace(/\.jsonl$/, '')}`),
  );
  if (names.includes(name)) return name;
  const [what, other] = adapter ? ['adapter', 'directory in PEFT layout'] : ['data set', 'file'];
  const fix = `It may be one of: ${names.join(', ')}, or a ${other}.`;
  throw new PlaygroundError('not-found', `The playground ships no ${what} of that name.`, fix);
}
