// The safetensors format: an 8-byte little-endian header length, a JSON header, then the tensors' bytes end to end.
// Files come from anywhere, so no length or offset in them is believed before it is checked against the bytes at hand.

import { PlaygroundError } from '../shared/errors';
import { halfToFloat } from '../shared/half';
import { isObject, parseObject } from './json';

export interface StoredTensor {
  dtype: string;
  shape: number[];
  /** A view into the file; may be unaligned. */
  bytes: Uint8Array;
}

export interface Safetensors {
  file: string;
  tensors: Map<string, StoredTensor>;
}

// prettier-ignore
const BYTES: Readonly<Record<string, number>> = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1,
  U16: 2, I16: 2, F16: 2, BF16: 2,
  U32: 4, I32: 4, F32: 4,
  U64: 8, I64: 8, F64: 8,
};

/** The longest header that the format allows, in bytes. */
const LONGEST_HEADER = 100_000_000;

/** Checks everything and copies nothing. Throws `bad-weights` naming `file` and the tensor. */
export function parseSafetensors(bytes: Uint8Array, file: string): Safetensors {
  const length = headerLength(bytes.subarray(0, 8), file);
  const data = bytes.subarray(8 + length);
  const tensors = new Map<string, StoredTensor>();
  let read = 0;
  for (const { name, dtype, shape, begin, end } of placesOf(bytes.subarray(8, 8 + length), length, file)) {
    if (end > data.length) throw truncated(file, name, end, data.length);
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) });
    read = end;
  }
  if (read < data.length) throw tooLong(file, data.length - read);
  return { file, tensors };
}

/**
 * The tensors of a file one after the other, each read when it is asked for, of a file that comes in pieces. Throws as
 * `parseSafetensors`, what is missing or too much at the end only there.
 */
export async function* streamSafetensors(
  pieces: AsyncIterable<Uint8Array>,
  file: string,
): AsyncGenerator<Safetensors> {
  const stream = new Pieces(pieces);
  try {
    const length = headerLength(await stream.take(8), file);
    for (const { name, dtype, shape, begin, end } of placesOf(await stream.take(length), length, file)) {
      const bytes = await stream.take(end - begin).catch((error: unknown) => {
        if (error instanceof RangeError) throw bad(file, `tensor "${name}" has no room in memory`);
        throw error;
      });
      if (bytes.length < end - begin) throw truncated(file, name, end, begin + bytes.length);
      yield { file, tensors: new Map([[name, { dtype, shape, bytes }]]) };
    }
    const rest = await stream.skipAll();
    if (rest > 0) throw tooLong(file, rest);
  } finally {
    await stream.close();
  }
}

/** Bytes that come in pieces of any size, taken in pieces of the size that is asked for. */
class Pieces {
  private readonly pieces: AsyncIterator<Uint8Array, undefined>;
  private rest = new Uint8Array(0) as Uint8Array;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.pieces = pieces[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>;
  }

  /** The next `length` bytes in an array of their own, fewer at the end. Throws RangeError where that has no room. */
  async take(length: number): Promise<Uint8Array> {
    const taken = new Uint8Array(length);
    for (let at = 0; ;) {
      const some = this.rest.subarray(0, length - at);
      taken.set(some, at);
      this.rest = this.rest.subarray(some.length);
      at += some.length;
      if (at === length) return taken;
      if (!(await this.next())) return taken.subarray(0, at);
    }
  }

  /** How many bytes there still were. */
  async skipAll(): Promise<number> {
    let skipped = 0;
    do skipped += this.rest.length;
    while (await this.next());
    return skipped;
  }

  async close(): Promise<void> {
    await this.pieces.return?.();
  }

  private async next(): Promise<boolean> {
    const next = await this.pieces.next();
    if (!next.done) this.rest = next.value;
    return !next.done;
  }
}

/** What a file's first 8 bytes say of its header. */
function headerLength(bytes: Uint8Array, file: string): number {
  if (bytes.length < 8) throw bad(file, `is ${bytes.length} bytes long: too short for a header`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length <= LONGEST_HEADER) return Number(length);
  throw bad(file, `says its header has ${length} bytes, and ${LONGEST_HEADER} are the most there may be`);
}

/** The tensors that a header of `length` bytes names, in the order of their bytes, of which none are between them. */
function placesOf(bytes: Uint8Array, length: number, file: string) {
  if (bytes.length < length) {
    throw bad(file, `says its header has ${length} bytes, but only ${bytes.length} follow`);
  }
  const header = parseHeader(bytes, file);
  let end = 0;
  const entries = header.map(([name, entry]) => parseEntry(name, entry, file));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (const { name, begin, end: stop } of entries) {
    if (begin !== end) {
      throw bad(file, `tensor "${name}" begins at byte ${begin}, but the one before it ends at ${end}`);
    }
    end = stop;
  }
  return entries;
}

const truncated = (file: string, name: string, end: number, available: number): PlaygroundError =>
  bad(file, `is truncated: tensor "${name}" ends at byte ${end} of ${available}`);

const tooLong = (file: string, rest: number): PlaygroundError =>
  bad(file, `has ${rest} bytes that belong to no tensor`);

function parseHeader(bytes: Uint8Array, file: string): [string, unknown][] {
  const json = parseObject(bytes);
  if (!json) throw bad(file, 'has a header that is not a JSON object');
  return Object.entries(json).filter(([name]) => name !== '__metadata__');
}

function parseEntry(name: string, entry: unknown, file: string) {
  const problem = (what: string): PlaygroundError => bad(file, `tensor "${name}" ${what}`);
  if (!isObject(entry)) throw problem('is not described by an object');
  const { dtype, shape, data_offsets: offsets } = entry;
  const size = typeof dtype === 'string' && Object.hasOwn(BYTES, dtype) ? BYTES[dtype] : undefined;
  if (typeof dtype !== 'string' || size === undefined)
    throw problem(`has the unknown dtype ${JSON.stringify(dtype)}`);
  if (!isCounts(shape)) throw problem('has a shape that is not a list of whole numbers');
  if (!isCounts(offsets) || offsets.length !== 2)
    throw problem('has data_offsets that are not two whole numbers');
  const [begin = 0, end = 0] = offsets;
  const bytes = shape.reduce((product, n) => product * n, size);
  if (end - begin !== bytes) {
    throw problem(
      `of shape [${shape.join(', ')}] and dtype ${dtype} needs ${bytes} bytes, but has ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

function bad(file: string, what: string): PlaygroundError {
  return new PlaygroundError(
    'bad-weights',
    `${file} ${what}`,
    'Get the file again: it is damaged or not safetensors.',
  );
}

/** The values of a F32, F16 or BF16 tensor as a new array. Throws `bad-weights` for other types, and for NaN and ±∞. */
export function floats({ file, tensors }: Safetensors, name: string): Float32Array {
  const tensor = tensors.get(name);
  if (!tensor) throw bad(file, `has no tensor "${name}"`);
  const values = convert(tensor);
  if (!values) throw bad(file, `tensor "${name}" is ${tensor.dtype}; only F32, F16 and BF16 can be read`);
  let sum = 0;
  for (const value of values) sum += value * 0; // NaN once any value is NaN or infinite
  if (Number.isNaN(sum)) {
    const at = values.findIndex((value) => !Number.isFinite(value));
    throw new PlaygroundError(
      'bad-weights',
      `${file} tensor "${name}" holds ${values[at]} at index ${at}`,
      'These weights cannot compute anything: use another checkpoint.',
    );
  }
  return values;
}

function convert({ dtype, bytes }: StoredTensor): Float32Array | null {
  // A tensor that was read by itself need not be copied. (Of Node's Buffers, `slice` copies nothing.)
  const aligned = (bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)).buffer;
  if (dtype === 'F32') return new Float32Array(aligned);
  if (dtype === 'F16') {
    halfValues ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToFloat(bits));
    const halves = new Uint16Array(aligned);
    const values = new Float32Array(halves.length);
    // A loop: TypedArray.from with a function takes fifteen times as long.
    for (let i = 0; i < halves.length; i++) values[i] = halfValues[halves[i]!]!;
    return values;
  }
  if (dtype === 'BF16') {
    const upper = new Uint16Array(aligned);
    const words = new Uint32Array(upper.length);
    for (let i = 0; i < upper.length; i++) words[i] = upper[i]! << 16;
    return new Float32Array(words.buffer);
  }
  return null;
}

let halfValues: Float32Array | undefined;

/** A file of tensors, float32 or the bits of float16, in the order of their names, marked as PyTorch's as PEFT wants. */
export function writeSafetensors(
  tensors: ReadonlyMap<string, { shape: readonly number[]; values: Float32Array | Uint16Array }>,
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const sorted = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
  let end = 0;
  for (const [name, { shape, values }] of sorted) {
    const dtype = values instanceof Uint16Array ? 'F16' : 'F32';
    header[name] = { dtype, shape, data_offsets: [end, (end += values.byteLength)] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 + Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(start + end).fill(0x20, 8, start); // the header is padded with spaces
  new DataView(file.buffer).setBigUint64(0, BigInt(start - 8), true);
  file.set(text, 8);
  let at = start;
  for (const [, { values }] of sorted) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return file;
}
