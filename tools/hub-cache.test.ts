import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type MockHub, mockHub } from '../tests/mock-hub';
import { lendModel } from './files.ts';
import { fetchModel } from './hub-cache.ts';

let hub: MockHub;
let cache: string;
beforeAll(async () => {
  vi.spyOn(console, 'error').mockReturnValue(undefined);
  hub = await mockHub();
});
afterAll(() => {
  vi.restoreAllMocks();
  hub.close();
});
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'hub-cache-test-'));
  hub.asked = [];
  return () => rmSync(cache, { recursive: true });
});

const fetched = (name = 'hf:tiny/neo', host = hub.host) =>
  fetchModel(lendModel(name), { XDG_CACHE_HOME: cache, HF_ENDPOINT: host });
const files = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];
const folder = () => join(cache, 'rlhf-playground/hub/tiny/neo@main');
const original = (path: string) => readFileSync(join('tests/fixtures/gpt-neo-tiny/model', path));

test('a model is fetched once, then lent from its folder without a network', async () => {
  const lent = await fetched();
  expect(lent).toMatchObject({ model: 'dir:/files/model', base: 'hf:tiny/neo' });
  expect(lent.mounts).toEqual({ model: { directory: folder(), writable: false } });
  expect(readdirSync(folder()).sort()).toEqual(['.whole', ...files, 'model.safetensors'].sort());
  for (const path of [...files, 'model.safetensors'])
    expect(readFileSync(join(folder(), path)).equals(original(path))).toBe(true);
  hub.asked = [];
  expect(await fetched('hf:tiny/neo@main', 'http://127.0.0.1:1')).toEqual({
    ...lent,
    base: 'hf:tiny/neo@main',
  });
  expect(hub.asked).toEqual([]);
});

test.each([true, false])(
  'a download that broke off leaves no half file (goes on from there: %s)',
  async (ranges) => {
    Object.assign(hub, { ranges, cuts: 1 });
    await expect(fetched()).rejects.toMatchObject({ code: 'download-failed' });
    expect(readdirSync(folder()).sort()).toEqual([...files, 'model.safetensors.part0'].sort());
    hub.asked = [];
    await fetched();
    const half = Math.floor(original('model.safetensors').length / 2);
    // What had come is not asked for again.
    expect(hub.asked).toEqual([`weights from ${ranges ? half : 0}`]);
    expect(readFileSync(join(folder(), 'model.safetensors')).equals(original('model.safetensors'))).toBe(
      true,
    );
    expect(readdirSync(folder()).filter((name) => name.includes('part'))).toEqual([]);
  },
);

test('large weights come in pieces and are one file in the end', async () => {
  const weights = new Uint8Array(40_000_000).map((_, i) => (i * i) >> 9);
  Object.assign(hub, { ranges: true, cuts: 1, weights });
  await expect(fetched()).rejects.toMatchObject({ code: 'download-failed' });
  const pieces = [0, 1].map((i) => `model.safetensors.part${i}`);
  expect(readdirSync(folder()).sort()).toEqual([...files, ...pieces].sort());
  hub.asked = [];
  await fetched();
  expect(hub.asked).toEqual([`weights from ${weights.length / 2}`]);
  expect(readFileSync(join(folder(), 'model.safetensors')).equals(weights)).toBe(true);
  expect(readdirSync(folder()).sort()).toEqual(['.whole', ...files, 'model.safetensors'].sort());
  hub.weights = null;
});

test('a model that is not there is named, and any other is left as it is', async () => {
  await expect(fetched('hf:no/model')).rejects.toMatchObject({
    code: 'not-found',
    message: 'hf:no/model has no config.json on the hub.',
  });
  await expect(fetched('hf:no')).rejects.toMatchObject({ code: 'bad-arguments' });
  expect(await fetched('bundled:stories-neo')).toEqual(lendModel('bundled:stories-neo'));
});
