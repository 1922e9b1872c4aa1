import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MockHub, mockHub } from '../../tests/mock-hub';
import { nodeDirectory } from '../../tests/node-files';
import { tf } from '../engine/tf';
import { hubDirectory } from './hub';
import { disposeModel, loadModel } from './load';

/** A Cache in memory that counts. */
function memoryCache() {
  const entries = new Map<string, Response>();
  return {
    entries,
    match: (url: RequestInfo | URL) => Promise.resolve(entries.get(url as string)?.clone()),
    put: (url: RequestInfo | URL, response: Response) => {
      entries.set(url as string, response);
      return Promise.resolve();
    },
    delete: (url: RequestInfo | URL) => Promise.resolve(entries.delete(url as string)),
  };
}

const body = new Uint8Array(1000).map((_, i) => i % 251);
const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes);

/** A fetch that answers from a table of URLs and remembers what it was asked. */
function answering(table: Record<string, () => Response>) {
  const asked: string[] = [];
  const get: typeof fetch = (input) => {
    asked.push(input as string);
    return Promise.resolve(table[input as string]?.() ?? new Response('', { status: 404 }));
  };
  return { asked, get };
}

describe('hubDirectory', () => {
  it.each(['hf:name', 'hf:a/b/c', 'hf:../x', 'hf:a/b@../../c', 'hf:a/b?x', 'hf:/b', 'a/b'])(
    'refuses %s',
    (source) => {
      expect(() => hubDirectory(source)).toThrow(`"${source}" does not name a model on the hub`);
    },
  );

  it('asks for the right address, at main and at a revision', async () => {
    const { asked, get } = answering({});
    const options = { fetch: get, cache: null };
    expect(await hubDirectory('hf:roneneldan/TinyStories-1M', options)('config.json')).toBeNull();
    expect(await hubDirectory('hf:a/b.c@refs/pr/1', options)('config.json')).toBeNull();
    expect(asked).toEqual([
      'https://huggingface.co/roneneldan/TinyStories-1M/resolve/main/config.json',
      'https://huggingface.co/a/b.c/resolve/refs%2Fpr%2F1/config.json',
    ]);
  });

  it('tells progress, keeps the file, and reads it from the cache next time', async () => {
    const cache = memoryCache();
    const url = 'http://hub/a/b/resolve/main/x.bin';
    const { asked, get } = answering({
      [url]: () => new Response(body, { headers: { 'content-length': '1000' } }),
    });
    const progress: [string, number, number][] = [];
    const read = hubDirectory('hf:a/b', {
      host: 'http://hub',
      fetch: get,
      cache,
      onProgress: (...args) => progress.push(args),
    });
    expect(await read('x.bin')).toEqual(body);
    expect(progress.at(-1)).toEqual(['x.bin', 1000, 1000]);
    expect([...cache.entries.keys()]).toEqual([url]);
    expect(await read('x.bin')).toEqual(body);
    expect(asked).toHaveLength(1);
  });

  it('accepts a compressed body, longer than announced', async () => {
    const get = answering({
      'http://hub/a/b/resolve/main/t.json': () =>
        new Response('{"a":1}', { headers: { 'content-length': '3' } }),
    }).get;
    expect(
      text(await hubDirectory('hf:a/b', { host: 'http://hub', fetch: get, cache: null })('t.json')),
    ).toBe('{"a":1}');
  });

  it('uses what has come even if it cannot be kept', async () => {
    const cache = { ...memoryCache(), put: () => Promise.reject(new Error('disk full')) };
    const { get } = answering({ 'http://hub/a/b/resolve/main/x.bin': () => new Response(body) });
    expect(await hubDirectory('hf:a/b', { host: 'http://hub', fetch: get, cache })('x.bin')).toEqual(body);
  });

  it('says that a model is private or the hub is ill, and keeps nothing', async () => {
    const cache = memoryCache();
    const { get } = answering({
      'http://hub/a/b/resolve/main/x': () => new Response('', { status: 401 }),
      'http://hub/a/b/resolve/main/y': () => new Response('', { status: 503 }),
    });
    const read = hubDirectory('hf:a/b', { host: 'http://hub', fetch: get, cache });
    await expect(read('x')).rejects.toMatchObject({
      code: 'download-failed',
      message: 'the hub refused x of hf:a/b with status 401',
      fix: expect.stringContaining('private') as string,
    });
    await expect(read('y')).rejects.toMatchObject({ code: 'download-failed', fix: 'Try again later.' });
    expect(cache.entries.size).toBe(0);
  });
});

describe('against a server', () => {
  let hub: MockHub;
  beforeAll(async () => {
    await tf.setBackend('cpu');
    hub = await mockHub();
  });
  afterAll(() => hub.close());

  it('loads a model after a broken download that the server cannot go on with', async () => {
    const cache = memoryCache();
    const read = hubDirectory('hf:tiny/neo', { host: hub.host, cache });
    hub.cuts = 1;
    const before = tf.memory().numTensors;
    await expect(loadModel('hf:tiny/neo', read)).rejects.toMatchObject({
      code: 'download-failed',
      message: expect.stringContaining(
        'the download of model.safetensors of hf:tiny/neo broke off',
      ) as string,
    });
    expect(tf.memory().numTensors).toBe(before);
    expect([...cache.entries.keys()].filter((url) => url.endsWith('.safetensors'))).toEqual([]);
    const model = await loadModel('hf:tiny/neo', read);
    expect(model.parameters).toBe(55_648);
    disposeModel(model);
    expect([...cache.entries.keys()].filter((url) => url.endsWith('.safetensors'))).toHaveLength(1);
  });

  describe('that can go on from the middle', () => {
    const path = 'model.safetensors';
    const whole = () => nodeDirectory('tests/fixtures/gpt-neo-tiny/model')(path);

    it('asks only for what is missing, as often as it breaks off', async () => {
      const cache = memoryCache();
      const read = hubDirectory('hf:tiny/neo', { host: hub.host, cache });
      [hub.ranges, hub.cuts, hub.asked] = [true, 2, []];
      await expect(read(path)).rejects.toMatchObject({ code: 'download-failed' });
      await expect(read(path)).rejects.toMatchObject({ code: 'download-failed' });
      const expected = await whole();
      expect(await read(path)).toEqual(expected);
      const half = Math.floor(expected!.length / 2);
      expect(hub.asked).toEqual([
        'weights from 0',
        `weights from ${half}`,
        `weights from ${half + Math.floor((expected!.length - half) / 2)}`,
      ]);
      expect([...cache.entries.keys()].map((url) => url.replace(/.*\//, ''))).toEqual([path]);
    });

    it('begins anew when the file has changed meanwhile', async () => {
      const read = hubDirectory('hf:tiny/neo', { host: hub.host, cache: memoryCache() });
      [hub.ranges, hub.cuts] = [true, 1];
      await expect(read(path)).rejects.toMatchObject({ code: 'download-failed' });
      hub.etag = '"2"';
      await expect(read(path)).rejects.toThrow('changed meanwhile');
      hub.asked = [];
      expect(await read(path)).toEqual(await whole());
      expect(hub.asked).toEqual(['weights from 0']);
    });
  });

  describe('of a large file, which is kept in pieces', () => {
    const path = 'model.safetensors';
    const piece = 50_000;
    const whole = () => nodeDirectory('tests/fixtures/gpt-neo-tiny/model')(path);
    const nameOf = (url: string) => url.replace(/.*\//, '');
    const lengths = async (cache: ReturnType<typeof memoryCache>) =>
      Promise.all(
        [...cache.entries].map(
          async ([url, kept]) => [nameOf(url), (await kept.clone().blob()).size] as const,
        ),
      );

    it('keeps them as they come, and reads them one by one ever after', async () => {
      const cache = memoryCache();
      const read = hubDirectory('hf:tiny/neo', { host: hub.host, cache, piece });
      [hub.ranges, hub.cuts, hub.asked] = [true, 2, []];
      const expected = (await whole())!;
      const half = Math.floor(expected.length / 2);
      await expect(read(path)).rejects.toMatchObject({ code: 'download-failed' });
      expect(await lengths(cache)).toEqual([
        ...Array.from({ length: Math.floor(half / piece) }, (_, i) => [`${path}.part${i}`, piece]),
        [`${path}.part${Math.floor(half / piece)}`, half % piece],
      ]);
      await expect(read(path)).rejects.toMatchObject({ code: 'download-failed' });
      expect(await read(path)).toEqual(expected);
      expect(hub.asked.slice(0, 2)).toEqual(['weights from 0', `weights from ${half}`]);
      const count = Math.ceil(expected.length / piece);
      const kept = await lengths(cache);
      expect(kept.slice(0, -1)).toEqual(
        Array.from({ length: count }, (_, i) => [
          `${path}.part${i}`,
          Math.min(piece, expected.length - i * piece),
        ]),
      );
      expect(kept.at(-1)).toEqual([path, 0]);

      hub.asked = [];
      const sizes: number[] = [];
      for await (const bytes of (await read.open!(path))!) sizes.push(bytes.length);
      expect(sizes).toHaveLength(count);
      const model = await loadModel('hf:tiny/neo', read);
      expect(model.parameters).toBe(55_648);
      disposeModel(model);
      expect(hub.asked).not.toContain('weights from 0');
    });

    it('fetches again from where a piece is missing or short', async () => {
      const cache = memoryCache();
      const read = hubDirectory('hf:tiny/neo', { host: hub.host, cache, piece });
      [hub.ranges, hub.cuts] = [true, 0];
      const expected = (await whole())!;
      await read(path);
      const [second] = [...cache.entries.keys()].filter((url) => url.endsWith('.part1'));
      for (const [left, from] of [
        [null, piece],
        [new Uint8Array(expected.slice(piece, piece + 10)), piece + 10],
      ] as const) {
        if (left) cache.entries.set(second!, new Response(left, { headers: { etag: hub.etag } }));
        else cache.entries.delete(second!);
        hub.asked = [];
        hub.cuts = 1;
        await expect(read(path)).rejects.toMatchObject({ code: 'download-failed' });
        expect([...cache.entries.keys()].map(nameOf), 'not whole').not.toContain(path);
        expect(await read(path)).toEqual(expected);
        expect(hub.asked[0]).toBe(`weights from ${from}`);
        expect(hub.asked[1]).not.toBe('weights from 0');
        hub.asked = [];
        expect(await read(path)).toEqual(expected);
        expect(hub.asked).toEqual([]);
      }
    });

    it('uses what comes though the disk is full, and goes on from what was kept', async () => {
      const cache = memoryCache();
      const full = {
        ...cache,
        put: (url: RequestInfo | URL, response: Response) =>
          cache.entries.size < 2 ? cache.put(url, response) : Promise.reject(new Error('disk full')),
      };
      [hub.ranges, hub.cuts, hub.asked] = [true, 0, []];
      const options = { host: hub.host, piece };
      expect(await hubDirectory('hf:tiny/neo', { ...options, cache: full })(path)).toEqual(await whole());
      expect(await lengths(cache)).toEqual([0, 1].map((i) => [`${path}.part${i}`, piece]));
      expect(await hubDirectory('hf:tiny/neo', { ...options, cache })(path)).toEqual(await whole());
      expect(hub.asked).toEqual(['weights from 0', `weights from ${2 * piece}`]);
    });

    it('forgets the pieces of a file that has changed, or that the server cannot go on with', async () => {
      const cache = memoryCache();
      const read = hubDirectory('hf:tiny/neo', { host: hub.host, cache, piece });
      [hub.ranges, hub.cuts] = [true, 1];
      await expect(read(path)).rejects.toMatchObject({ code: 'download-failed' });
      hub.etag = '"3"';
      await expect(read(path)).rejects.toThrow('changed meanwhile');
      expect(cache.entries.size).toBe(0);
      hub.cuts = 1;
      await expect(read(path)).rejects.toMatchObject({ code: 'download-failed' });
      hub.ranges = false;
      expect(await read(path)).toEqual(await whole());
    });
  });

  it('stops when asked to', async () => {
    const abort = new AbortController();
    const onProgress = () => abort.abort(new Error('enough'));
    const read = hubDirectory('hf:tiny/neo', {
      host: hub.host,
      cache: null,
      signal: abort.signal,
      onProgress,
    });
    hub.cuts = 1;
    await expect(read('model.safetensors')).rejects.toThrow('enough');
    hub.cuts = 0;
  });
});
