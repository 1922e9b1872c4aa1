// Does work once for a given input: a stamp file holds the fingerprint of what the work was done from, and a lock makes
// a second process wait for the first instead of building over it. Plain JavaScript: the bootstrap needs it first.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The repository's root; also when bundled, as build/ is as deep as tools/. @type {string} */
export const root = fileURLToPath(new URL('..', import.meta.url));

const largeFile = 1 << 20;
/**
 * A hash of the named files and folders of the repository; absent ones count as absent. Large files (models) go in by
 * size and time; tests do not, nor do folders of what is built, which the first build would change.
 * @param {string[]} paths
 * @returns {string}
 */
export function fingerprint(paths) {
  const hash = createHash('sha256');
  const add = (path) => {
    const full = join(root, path);
    const info = statSync(full, { throwIfNoEntry: false });
    if (!info) return hash.update(`${path} absent\n`);
    if (info.isDirectory()) {
      for (const name of readdirSync(full).sort()) if (name !== 'build') add(`${path}/${name}`);
    } else if (!/\.test\.ts$/.test(path)) {
      const content = info.size > largeFile ? `${info.size} ${info.mtimeMs}` : readFileSync(full);
      hash.update(`${path}\n`).update(content);
    }
  };
  paths.forEach(add);
  return hash.digest('hex').slice(0, 16);
}

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};

const alive = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Waits until this process holds the lock file; a lock whose process has died is taken over. */
async function acquire(lock) {
  mkdirSync(dirname(lock), { recursive: true });
  for (;;) {
    try {
      return writeFileSync(lock, String(process.pid), { flag: 'wx' });
    } catch {
      const holder = Number(read(lock));
      if (holder > 0 && !alive(holder)) rmSync(lock, { force: true });
      await sleep(100);
    }
  }
}

/**
 * Runs `make` unless its last run to the end was for this key and its outputs are still there.
 * @param {string} name names the stamp
 * @param {string} key
 * @param {string[]} outputs paths in the repository
 * @param {() => unknown} make
 */
export async function once(name, key, outputs, make) {
  const stamp = join(root, 'build', `${name}.stamp`);
  const done = () => read(stamp) === key && outputs.every((path) => existsSync(join(root, path)));
  if (done()) return;
  const lock = join(root, 'build', `${name}.lock`);
  await acquire(lock);
  try {
    if (done()) return;
    await make();
    writeFileSync(stamp, key);
  } finally {
    rmSync(lock, { force: true });
  }
}
