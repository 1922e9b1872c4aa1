// A download into the browser's own Cache, which alone tells whether its entries are what `hub-download.ts` takes them for.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { hubDirectory } from '../src/model/hub';
import { HUB_CACHE } from '../src/shared/hub';
import { joined } from '../src/shared/pieces';
import { listKeptModels, removeKeptModel } from '../src/storage/hub-files';

const clear = () => caches.delete(HUB_CACHE);
beforeEach(clear);
afterEach(clear);

const [PIECE, LENGTH] = [2 ** 20, 2.5 * 2 ** 20];
const file = Uint8Array.from({ length: LENGTH }, (_, i) => (i * i) >> 7);

/** A server of that file which breaks off after `most` bytes, in chunks as a network brings them. */
function answering(most: number, asked: (string | null)[]): typeof fetch {
  return (_, init) => {
    const range = new Headers(init?.headers).get('range');
    asked.push(range);
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    let at = from;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at - from >= most) return controller.error(new Error('the line is cut'));
        controller.enqueue(file.subarray(at, (at += 65_000)));
        if (at >= LENGTH) controller.close();
      },
    });
    const headers = { 'content-length': String(LENGTH - from), etag: '"1"' };
    return Promise.resolve(new Response(body, { status: from > 0 ? 206 : 200, headers }));
  };
}

/** How many bytes are other ones, or missing, or too much. */
async function differing(pieces: Promise<AsyncIterable<Uint8Array> | null>): Promise<number> {
  const bytes = await joined((await pieces)!);
  return file.filter((byte, i) => byte !== bytes[i]).length + Math.abs(bytes.length - file.length);
}

it('keeps the pieces of a download that breaks off, goes on from them, and reads them from then on', async () => {
  const asked: (string | null)[] = [];
  const open = (most: number) =>
    hubDirectory('hf:a/b', { fetch: answering(most, asked), piece: PIECE }).open!('model.safetensors');
  await expect(open(1_300_000)).rejects.toThrow('the line is cut');
  const [part] = await listKeptModels();
  expect(part).toEqual({ source: 'hf:a/b', bytes: 1_300_000, whole: false });

  expect(await differing(open(Infinity))).toBe(0);
  expect(asked).toEqual([null, 'bytes=1300000-']);
  expect(await listKeptModels()).toEqual([{ source: 'hf:a/b', bytes: LENGTH, whole: true }]);

  expect(await differing(open(0))).toBe(0);
  expect(asked).toHaveLength(2);
  await removeKeptModel('hf:a/b');
  expect(await listKeptModels()).toEqual([]);
  expect(await (await caches.open(HUB_CACHE)).keys()).toEqual([]);
});
