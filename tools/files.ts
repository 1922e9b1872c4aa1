// What the commands read and write on disk, with the messages a person gets where that fails.
import {
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { PlaygroundError } from '../src/shared/errors.ts';
import { root } from './once.mjs';
import type { Mount } from './server.ts';

/** The text of an input file. Throws `not-found`. */
export function readInput(path: string): string {
  const there = statOf(path);
  if (!there) throw new PlaygroundError('not-found', `There is no file ${path}.`, 'Check the path.');
  if (there.isDirectory()) {
    throw new PlaygroundError('not-found', `${path} is a directory.`, 'Name a file.');
  }
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new PlaygroundError(
      'not-found',
      `${path} cannot be read: ${reasonOf(error)}.`,
      'Check its permissions.',
    );
  }
}

/** Null where nothing is, be it that a file stands in the way. */
function statOf(path: string) {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

export const isFile = (path: string): boolean => statOf(path)?.isFile() ?? false;

/** What can be written and is no file to put another in the place of, as `/dev/stdout`. */
const isSpecial = (path: string): boolean => {
  const there = statOf(path);
  return there !== null && !there.isFile() && !there.isDirectory();
};

/** A folder with those above it. One at a time, since Node's own way never ends in /proc. */
export function makeFolder(path: string): void {
  if (statOf(path)?.isDirectory()) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another command may have been quicker.
    if (!statOf(path)?.isDirectory()) throw error;
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Writes a result file as a whole, making its folder; a link, a pipe or a device stays what it is. Throws
 *  `storage-failed`. */
export function writeOutput(path: string, content: string | Uint8Array): void {
  try {
    if (isSpecial(path)) return writeFileSync(path, content);
    makeFolder(dirname(resolve(path)));
    const target = statOf(path) ? realpathSync(path) : path;
    writeFileSync(`${target}.partial`, content);
    renameSync(`${target}.partial`, target);
  } catch (error) {
    throw new PlaygroundError(
      'storage-failed',
      `${path} could not be written: ${reasonOf(error)}.`,
      'See that its folder exists, can be written and has room.',
    );
  }
}

/** Sees before anything is computed that a result file can be written. Throws `bad-arguments`. */
export function prepareFile(path: string): void {
  if (statOf(path)?.isDirectory()) {
    throw new PlaygroundError('bad-arguments', `--out is ${path}, which is a directory.`, 'Name a file.');
  }
  if (!isSpecial(path)) tryWriting(path, dirname(resolve(path)));
}

/** The same of a directory to fill, which is made. */
export function prepareDirectory(path: string): void {
  refuseFile(path);
  tryWriting(path, path);
}

/** Refuses a file where a directory is to be. */
export function refuseFile(path: string): void {
  if (!isFile(path)) return;
  throw new PlaygroundError('bad-arguments', `--out is ${path}, which is a file.`, 'Name a directory.');
}

/** Only writing tells whether one may: permissions, read-only disks and full ones are all the same to it. */
function tryWriting(path: string, directory: string): void {
  const file = join(directory, `.${process.pid}.partial`);
  try {
    makeFolder(resolve(directory));
    writeFileSync(file, '');
    rmSync(file);
  } catch (error) {
    const message = `--out is ${path}, which cannot be written: ${reasonOf(error)}.`;
    throw new PlaygroundError('bad-arguments', message, 'Name a place that can be written.');
  }
}

/** What makes a directory what it is taken for: `what` it is, and the files it must hold, each one of some. */
interface Layout {
  /** With its article. */
  what: string;
  needs: readonly (readonly string[])[];
}

export const MODEL_FILES: Layout = {
  what: 'a model in Hugging Face layout',
  needs: [['config.json'], ['model.safetensors', 'model.safetensors.index.json']],
};

const ADAPTER_FILES: Layout = {
  what: 'an adapter in PEFT layout',
  needs: [['adapter_config.json'], ['adapter_model.safetensors']],
};

/** Lends `directory` for reading, after seeing that it is what it should be. Throws `not-found` saying what is missing. */
export function lendDirectory(directory: string, { what, needs }: Layout): Mount {
  const missing = needs.find((names) => !names.some((name) => isFile(join(directory, name))));
  if (missing) {
    const why = statOf(directory)?.isDirectory()
      ? `it has no ${missing.join(' and no ')}`
      : 'there is no such directory';
    throw new PlaygroundError(
      'not-found',
      `${directory} is not ${what}: ${why}.`,
      `Name a directory that holds ${what}.`,
    );
  }
  return { directory: resolve(directory), writable: false };
}

export interface LentModel {
  /** As the worker is told it. */
  model: string;
  /** As adapters are to name it: a path of this machine would say nothing elsewhere. */
  base: string;
  /** The directory to lend if it is one. */
  mounts: Record<string, Mount>;
}

/** The model a person named. */
export function lendModel(name: string, relativeTo = '.'): LentModel {
  if (name.startsWith('hf:')) return { model: name, base: name, mounts: {} };
  const bundled = readdirSync(join(root, 'models')).map((folder) => `bundled:${folder}`);
  if (name.startsWith('bundled:')) {
    if (bundled.includes(name)) return { model: name, base: name, mounts: {} };
    const fix = `It may be one of: ${bundled.join(', ')}.`;
    throw new PlaygroundError('not-found', `There is no model ${name}.`, fix);
  }
  const directory = resolve(relativeTo, name);
  if (bundled.includes(`bundled:${name}`) && !statOf(directory)) {
    const fix = `Did you mean bundled:${name}?`;
    throw new PlaygroundError('not-found', `There is no directory ${directory}.`, fix);
  }
  return {
    model: 'dir:/files/model',
    base: isAbsolute(name) ? basename(name) : name,
    mounts: { model: lendDirectory(directory, MODEL_FILES) },
  };
}

/** The directory that such a model is in, null while it is on the hub. */
export function placeOf({ model, mounts }: Pick<LentModel, 'model' | 'mounts'>): string | null {
  if (model.startsWith('bundled:')) return join(root, 'models', model.slice('bundled:'.length));
  return mounts['model']?.directory ?? null;
}

export const lendAdapterAt = (directory: string): Mount => lendDirectory(directory, ADAPTER_FILES);

/** The adapter a person named, if any. */
export function lendAdapter(directory: string | null): {
  adapter: string | null;
  mounts: Record<string, Mount>;
} {
  if (directory === null) return { adapter: null, mounts: {} };
  return { adapter: 'dir:/files/adapter', mounts: { adapter: lendAdapterAt(directory) } };
}
