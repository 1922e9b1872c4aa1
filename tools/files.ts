// What the commands read and write on disk, with the messages a person gets where that fails.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PlaygroundError } from '../src/shared/errors.ts';
import { root } from './once.mjs';
import type { Mount } from './server.ts';

/** The text of an input file. Throws `not-found`. */
export function readInput(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return readFileSync(path, 'utf8');
  throw new PlaygroundError('not-found', `There is no file ${path}.`, 'Check the path.');
}

/** Writes a result file as a whole, making its folder. */
export function writeOutput(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(resolve(path)), { recursive: true });
  writeFileSync(`${path}.partial`, content);
  renameSync(`${path}.partial`, path);
}

/** Lends `directory` for reading, after seeing that it holds `needed`. Throws `not-found` naming what it should be. */
export function lendDirectory(directory: string, needed: string, what: string): Mount {
  if (!existsSync(join(directory, needed))) {
    throw new PlaygroundError(
      'not-found',
      `${directory} is no ${what}: it has no ${needed}.`,
      `Name a directory that holds a ${what}.`,
    );
  }
  return { directory: resolve(directory), writable: false };
}

/** The model a person named, as the worker is told it, and the directory to lend if it is one. */
export function lendModel(name: string, relativeTo = '.'): { model: string; mounts: Record<string, Mount> } {
  if (name.startsWith('hf:')) return { model: name, mounts: {} };
  if (name.startsWith('bundled:')) {
    const bundled = readdirSync(join(root, 'models'));
    if (bundled.includes(name.slice('bundled:'.length))) return { model: name, mounts: {} };
    const names = bundled.map((folder) => `bundled:${folder}`).join(', ');
    throw new PlaygroundError('not-found', `There is no model ${name}.`, `It may be one of: ${names}.`);
  }
  const directory = resolve(relativeTo, name);
  return {
    model: 'dir:/files/model',
    mounts: { model: lendDirectory(directory, 'config.json', 'model in Hugging Face layout') },
  };
}

export function lendAdapter(directory: string | null): {
  adapter: string | null;
  mounts: Record<string, Mount>;
} {
  if (directory === null) return { adapter: null, mounts: {} };
  const mount = lendDirectory(directory, 'adapter_config.json', 'adapter in PEFT layout');
  return { adapter: 'dir:/files/adapter', mounts: { adapter: mount } };
}
