// What a person brings along must come back byte for byte, be listed with its size, and go when it is removed.
import { afterEach, expect, it } from 'vitest';
import { listOwn, openOwn, readOwn, removeOwn, writeOwn } from '../src/storage/own-store';
import { directoryOf } from '../src/worker/files';

const files = (...entries: [path: string, text: string][]) =>
  new Map(entries.map(([path, text]) => [path, new Blob([text])]));
const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes);

afterEach(async () => {
  for (const kind of ['data', 'model', 'adapter'] as const) {
    for (const { name } of await listOwn(kind)) await removeOwn(kind, name);
  }
});

it('keeps files under a name, and kinds apart', async () => {
  await writeOwn('model', 'tiny', files(['config.json', '{}'], ['model.safetensors', '12345678']));
  await writeOwn('data', 'tiny', files(['rows.jsonl', 'é']));
  expect(text(await readOwn('data', 'tiny', 'rows.jsonl'))).toBe('é');
  expect(text(await readOwn('model', 'tiny', 'model.safetensors'))).toBe('12345678');
  expect(await readOwn('model', 'tiny', 'rows.jsonl')).toBeNull();
  expect(await listOwn('model')).toEqual([{ name: 'tiny', files: 2, bytes: 10 }]);
  expect(await listOwn('data')).toEqual([{ name: 'tiny', files: 1, bytes: 2 }]);
  expect(await listOwn('adapter')).toEqual([]);
});

it('replaces all that was under a name, and removes it', async () => {
  await writeOwn('model', 'a', files(['x', '1'], ['y', '2']));
  await writeOwn('model', 'b', files(['x', '3']));
  await writeOwn('model', 'a', files(['x', '4']));
  expect(await readOwn('model', 'a', 'y')).toBeNull();
  expect(text(await readOwn('model', 'a', 'x'))).toBe('4');
  await removeOwn('model', 'a');
  expect((await listOwn('model')).map(({ name }) => name)).toEqual(['b']);
});

it('lends the files of a model in pieces, so that weights need not be in memory whole', async () => {
  await writeOwn('model', 'tiny', files(['model.safetensors', '12345678']));
  let came = '';
  for await (const piece of (await directoryOf('own:tiny').open?.('model.safetensors')) ?? [])
    came += text(piece) ?? '';
  expect(came).toBe('12345678');
  expect(await openOwn('model', 'tiny', 'config.json')).toBeNull();
});
