import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { prepareDirectory, prepareFile, readInput, writeOutput } from './files.ts';

const folder = mkdtempSync(join(tmpdir(), 'files-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a link is written through, and a new file is whole in a new folder', () => {
  const [file, link] = [join(folder, 'file'), join(folder, 'link')];
  writeFileSync(file, 'old');
  symlinkSync(file, link);
  writeOutput(link, 'new');
  expect(readFileSync(file, 'utf8')).toBe('new');
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  writeOutput(join(folder, 'a/b'), 'x');
  expect(readInput(join(folder, 'a/b'))).toBe('x');
  expect(existsSync(join(folder, 'a/b.partial'))).toBe(false);
});

test.skipIf(!existsSync('/proc/self/fd'))('a device stays one: nothing is put in its place', () => {
  // A link to one, so that a fault here would cost the link.
  const device = join(folder, 'null');
  symlinkSync('/dev/null', device);
  prepareFile(device);
  writeOutput(device, 'nothing');
  expect(lstatSync(device).isSymbolicLink()).toBe(true);
  expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
  expect(readInput(device)).toBe('');
});

test('what is no file is named as what it is', () => {
  expect(() => readInput(folder)).toThrow(`${folder} is a directory.`);
  expect(() => readInput(join(folder, 'none'))).toThrow('There is no file');
});

test.skipIf(!existsSync('/proc/self'))('a place where no folder can be made is told at once', () => {
  expect(() => prepareDirectory('/proc/none/run')).toThrow(
    '--out is /proc/none/run, which cannot be written',
  );
  expect(() => prepareFile('/proc/none/a/rows.jsonl')).toThrow('which cannot be written');
});
