// One file on its way from the hub into the browser's Cache, which keeps its pieces as they come: a large file is nowhere in
// memory whole, and a download that broke off, or whose tab was closed, goes on from what has come. Every piece but the last
// has the same length, so that two tabs that fetch the same file keep the same.

import { PlaygroundError } from '../shared/errors';
import { PIECES, pieceUrl } from '../shared/hub';
import { concatenated, piecesOf } from '../shared/pieces';

export type FileCache = Pick<Cache, 'match' | 'put' | 'delete'>;

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of a piece; a file up to that length is kept in one, under its own address. */
const PIECE = 2 ** 24;

/** The file as the cache keeps it, null unless all of it is there. */
export async function keptPieces(
  cache: FileCache | null,
  url: string,
): Promise<AsyncIterable<Uint8Array> | null> {
  const whole = await cache?.match(url);
  if (!cache || !whole) return null;
  const count = whole.headers.get(PIECES);
  if (count === null) return whole.body ? piecesOf(whole.body) : one(new Uint8Array(0));
  const length = Number(whole.headers.get('content-length'));
  let found = 0;
  for (let i = 0; i < Number(count); i++) {
    const piece = await cache.match(pieceUrl(url, i));
    found += piece ? (await piece.blob()).size : 0;
  }
  if (found === length) return keptOneByOne(cache, url, Number(count));
  // A piece is gone or was begun anew: what is left is a download that has not come to its end.
  await cache.delete(url);
  return null;
}

async function* keptOneByOne(cache: FileCache, url: string, count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    const piece = await cache.match(pieceUrl(url, i));
    if (!piece) {
      throw new PlaygroundError(
        'download-failed',
        `piece ${i} of ${url} was removed while it was read`,
        'Load the model again.',
      );
    }
    yield new Uint8Array(await piece.arrayBuffer());
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

export class Download {
  /** What has come of the file: first the pieces that are kept, each of `piece` bytes, then what is not. */
  private kept = 0;
  private chunks: Bytes[] = [];
  private waiting = 0;
  private etag = '';
  /** Whether the cache takes more: a full disk is no reason not to use what comes. */
  private keeps: boolean;

  constructor(
    private readonly cache: FileCache | null,
    private readonly url: string,
    private readonly piece = PIECE,
  ) {
    this.keeps = cache !== null;
  }

  /** Finds what came before. */
  async begin(): Promise<void> {
    for (;;) {
      const before = await this.cache?.match(pieceUrl(this.url, this.kept));
      const etag = before?.headers.get('etag') ?? '';
      if (!before || (this.kept > 0 && etag !== this.etag)) return;
      this.etag = etag;
      const bytes = await before.blob();
      if (bytes.size < this.piece) return this.take(new Uint8Array(await bytes.arrayBuffer()));
      this.kept += 1;
    }
  }

  /** What has come, in bytes. */
  get length(): number {
    return this.kept * this.piece + this.waiting;
  }

  request(signal: AbortSignal | undefined): RequestInit {
    const from = this.length;
    return { ...(signal && { signal }), ...(from > 0 && { headers: { range: `bytes=${from}-` } }) };
  }

  /** Begins anew. */
  async forget(): Promise<void> {
    for (let i = 0; await this.cache?.delete(pieceUrl(this.url, i)); i++);
    [this.kept, this.chunks, this.waiting] = [0, [], 0];
  }

  /** Takes what comes; throws if it ends before the length that the server announced. */
  async read(response: Response, onProgress: (loaded: number, total: number) => void): Promise<void> {
    const etag = response.headers.get('etag') ?? '';
    if (this.length > 0 && response.status === 206 && etag !== this.etag) {
      await this.forget();
      throw new Error('the file has changed meanwhile');
    }
    // A server that cannot go on from the middle gives the whole.
    if (response.status !== 206) await this.forget();
    this.etag = etag;
    const total = this.length + Number(response.headers.get('content-length') ?? 0);
    for await (const chunk of response.body ? piecesOf(response.body) : []) {
      this.take(chunk as Bytes);
      while (this.keeps && this.waiting > this.piece) await this.keepPiece();
      onProgress(this.length, Math.max(this.length, total));
    }
    // More than announced is no fault: the length is of the compressed body, where there is one.
    if (this.length < total) throw new Error(`${this.length} of ${total} bytes came`);
  }

  /** The whole file, which is kept from now on. */
  async finish(): Promise<AsyncIterable<Uint8Array>> {
    const { cache, url } = this;
    if (this.length <= this.piece && this.kept === 0) {
      const bytes = concatenated(this.chunks);
      await cache?.put(url, new Response(bytes)).catch(() => {});
      await this.forget();
      return one(bytes);
    }
    if (await this.keep()) {
      const pieces = String(this.kept + (this.waiting > 0 ? 1 : 0));
      const headers = { [PIECES]: pieces, 'content-length': String(this.length) };
      await cache?.put(url, new Response(null, { headers })).catch(() => {});
    }
    return (await keptPieces(cache, url)) ?? this.all();
  }

  /** Keeps also what is less than a piece; whether it could. */
  async keep(): Promise<boolean> {
    if (!this.keeps || this.waiting > this.piece) return false;
    if (this.waiting > 0) await this.put(concatenated(this.chunks));
    return this.keeps;
  }

  private async *all(): AsyncGenerator<Uint8Array> {
    if (this.cache) yield* keptOneByOne(this.cache, this.url, this.kept);
    yield* this.chunks;
  }

  private take(chunk: Bytes): void {
    this.chunks.push(chunk);
    this.waiting += chunk.length;
  }

  private async keepPiece(): Promise<void> {
    const bytes = concatenated(this.chunks);
    if (!(await this.put(bytes.subarray(0, this.piece)))) return;
    const rest = bytes.slice(this.piece);
    [this.chunks, this.waiting] = [[rest], rest.length];
    this.kept += 1;
  }

  private async put(bytes: Bytes): Promise<boolean> {
    const response = new Response(bytes, { headers: { etag: this.etag } });
    await this.cache?.put(pieceUrl(this.url, this.kept), response).catch(() => (this.keeps = false));
    return this.keeps;
  }
}
