// `record EXPERIMENT.json`: runs an experiment, or takes a run that is there (`--from`), and writes it as one file that
// the page replays and goes on from.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packRun } from '../../src/experiment/recording.ts';
import { parseState, STATE } from '../../src/experiment/stored-state.ts';
import { parseObject } from '../../src/model/json.ts';
import { parseSafetensors } from '../../src/model/safetensors.ts';
import { PlaygroundError } from '../../src/shared/errors.ts';
import type { Experiment } from '../../src/shared/experiment.ts';
import type { ModelReport, Report } from '../../src/shared/protocol.ts';
import { parseExperiment } from '../../src/shared/validate.ts';
import { refuseFile, writeOutput } from '../files.ts';
import { root } from '../once.mjs';
import { readExperiment } from './experiment.ts';
import { run, type RunInput } from './run.ts';

export interface RecordInput extends Omit<RunInput, 'killAt' | 'out'> {
  /** Where the file goes, and below it the run if there is one to do. */
  out: string;
  /** The directory of a finished run to pack instead of running. */
  from: string | null;
}

/** What a recording may weigh, so that a page that opens one is quick anywhere. */
const MOST_BYTES = 1_500_000;

/** Writes OUT/NAME.recording; false if the run did not finish. */
export async function record({ from, out, ...input }: RecordInput): Promise<boolean> {
  const experiment = readExperiment(input.experiment);
  if (from !== null && (input.seed !== null || input.resume)) {
    throw new PlaygroundError(
      'bad-arguments',
      'record: --from packs a run that is there; --seed and --resume are for a run to be done.',
      'Leave them out, or leave out --from.',
    );
  }
  refuseFile(out);
  const name = fileName(experiment.name);
  const directory = from ?? join(out, `${name}.run`);
  if (from === null && !(await run({ ...input, out: directory, killAt: null }))) return false;
  const bytes = await pack(experiment, directory);
  const path = join(out, `${name}.recording`);
  writeOutput(path, bytes);
  console.log(`${path}: ${bytes.length.toLocaleString('en')} bytes`);
  if (bytes.length > MOST_BYTES)
    console.error(
      `warning: that is more than the ${MOST_BYTES.toLocaleString('en')} bytes of those we ship.`,
    );
  return true;
}

/** A name that any text may be, as that of one file that any system takes. */
const fileName = (name: string): string => name.replace(/[/\\:*?"<>|\p{Cc}]/gu, '-').replace(/^\.+/, '-');

/** The recording of the run in a directory. Throws if it is none, is unfinished, or is one of another experiment. */
async function pack(experiment: Experiment, directory: string): Promise<Uint8Array> {
  const file = (name: string): string => {
    const path = join(directory, name);
    if (existsSync(path)) return readFileSync(path, 'utf8');
    throw new PlaygroundError(
      'not-found',
      `${directory} holds no finished run: it has no ${name}.`,
      'Name the directory that `run … --out DIR` filled.',
    );
  };
  const seed = seedOf(file('report.json'), `${directory}/report.json`);
  const { experiment: ran } = parseState(file(STATE), `${directory}/${STATE}`, null);
  const parsed = parseExperiment(JSON.stringify(ran), `${directory}/${STATE}`).experiment;
  const own = { ...experiment, seed };
  for (const part of ['lora', 'stages'] as const) {
    if (JSON.stringify(own[part]) === JSON.stringify(parsed[part])) continue;
    throw new PlaygroundError(
      'bad-experiment',
      `${directory} holds a run with other settings under "${part}" than the experiment file.`,
      'Name the experiment file as it was when the run began.',
    );
  }
  const store = {
    read: (path: string) => {
      const full = join(directory, path);
      return Promise.resolve(existsSync(full) ? new Uint8Array(readFileSync(full)) : null);
    },
    list: (prefix: string) => {
      const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' });
      const files = paths.map((path) => path.replaceAll('\\', '/')).filter((path) => /\.\w+$/.test(path));
      return Promise.resolve(files.filter((path) => path.startsWith(prefix)).sort());
    },
  };
  return packRun(store, own, bundledModel(own.model));
}

/** The seed that a report names. */
function seedOf(text: string, path: string): number {
  const { seed } = (parseObject(text) ?? {}) as Partial<Report>;
  if (typeof seed === 'number') return seed;
  const fix = 'Go on with the run (`run … --resume`), which writes it anew.';
  throw new PlaygroundError('bad-recording', `${path} is damaged: it names no seed.`, fix);
}

/** A bundled model in figures, null for another. */
function bundledModel(source: string): ModelReport | null {
  const [, name] = /^bundled:(.+)$/.exec(source) ?? [];
  if (name === undefined) return null;
  const folder = join(root, 'models', name);
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
  const { tensors } = parseSafetensors(readFileSync(join(folder, 'model.safetensors')), source);
  const sizes = Array.from(tensors.values(), ({ shape }) => shape.reduce((size, side) => size * side, 1));
  return {
    name,
    architecture: String(config['model_type']),
    parameters: sizes.reduce((sum, size) => sum + size, 0),
    vocabulary: Number(config['vocab_size']),
    context: Number(config['max_position_embeddings']),
  };
}
