import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlaygroundError } from '../shared/errors';
import {
  floats,
  parseSafetensors,
  type Safetensors,
  streamSafetensors,
  writeSafetensors,
} from './safetensors';

/** A file with the given header (any JSON or text) and data. */
function build(header: unknown, data: number[] | Uint8Array, headerLength?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, headerLength ?? BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

const one = (entry: object) => ({
  'layer.weight': { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...entry },
});

const NAME = 'model.safetensors';

/** What is wrong with a file, '' if nothing is. Whole or in pieces, as much is said of it. */
async function refusal(file: Uint8Array): Promise<string> {
  const whole = await problemOf(() => parseSafetensors(file, NAME));
  const streamed = await problemOf(() => streamSafetensors(cut(file, 7), NAME));
  if (!streamed.endsWith('no room in memory')) expect(streamed).toBe(whole);
  return whole;
}

async function problemOf(read: () => Safetensors | AsyncIterable<Safetensors>): Promise<string> {
  try {
    const parsed = read();
    for await (const part of 'tensors' in parsed ? [parsed] : parsed) {
      for (const name of part.tensors.keys()) floats(part, name);
    }
  } catch (error) {
    expect(error).toBeInstanceOf(PlaygroundError);
    expect((error as PlaygroundError).code).toBe('bad-weights');
    expect((error as PlaygroundError).message).toContain(NAME);
    return (error as PlaygroundError).message;
  }
  return '';
}

/** A file in pieces of `size` bytes. */
async function* cut(file: Uint8Array, size: number, closed?: () => void): AsyncGenerator<Uint8Array> {
  try {
    for (let at = 0; at < file.length; at += size) yield await Promise.resolve(file.subarray(at, at + size));
  } finally {
    closed?.();
  }
}

describe('safetensors', () => {
  it.each([
    ['an empty file', new Uint8Array(0), 'too short'],
    ['an absurd header length', build({}, [], 2n ** 63n), 'says its header has 9223372036854775808 bytes'],
    ['a header cut short', build(one({}), [], 9999n), 'says its header has 9999 bytes'],
    ['a header that is not JSON', build('{"a": ', []), 'not a JSON object'],
    ['a header that is a list', build([], []), 'not a JSON object'],
    ['a missing description', build({ w: 3 }, []), '"w" is not described'],
    ['an unknown dtype', build(one({ dtype: 'toString' }), [0, 0, 0, 0]), 'unknown dtype "toString"'],
    ['a dtype that cannot be read', build(one({ dtype: 'I32' }), [0, 0, 0, 0]), '"layer.weight" is I32'],
    ['a negative dimension', build(one({ shape: [-1] }), [0, 0, 0, 0]), 'shape that is not a list'],
    [
      'a dimension beyond counting',
      build(one({ shape: [2 ** 53, 2 ** 53] }), [0, 0, 0, 0]),
      'shape that is not',
    ],
    ['a shape that does not fit', build(one({ shape: [2] }), [0, 0, 0, 0]), 'needs 8 bytes, but has 4'],
    ['offsets backwards', build(one({ data_offsets: [4, 0] }), [0, 0, 0, 0]), 'needs 4 bytes, but has -4'],
    ['truncated data', build(one({}), [0, 0]), '"layer.weight" ends at byte 4 of 2'],
    ['data past the last tensor', build(one({}), [0, 0, 0, 0, 0]), '1 bytes that belong to no tensor'],
    ['a hole', build(one({ data_offsets: [4, 8] }), new Uint8Array(8)), 'begins at byte 4'],
    ['NaN', build(one({}), [0, 0, 0xc0, 0x7f]), '"layer.weight" holds NaN at index 0'],
    ['infinity', build(one({ dtype: 'BF16', shape: [2] }), [0, 0, 0x80, 0xff]), 'holds -Infinity at index 1'],
  ])('refuses %s', async (_, file, message) => expect(await refusal(file)).toContain(message));

  it('refuses overlapping tensors', async () => {
    const entry = { dtype: 'U8', shape: [4], data_offsets: [0, 4] };
    const file = build({ a: entry, b: { ...entry, data_offsets: [2, 6] } }, new Uint8Array(6));
    expect(await refusal(file)).toContain('"b" begins');
  });

  it('reads F16 and BF16 exactly, also from an odd address, also of a Buffer', () => {
    const halves = [0x3c00, 0xc000, 0x3555, 0x0001, 0x83ff, 0x7bff, 0x0400, 0x8000];
    const expected = [1, -2, 0.333251953125, 2 ** -24, -1023 * 2 ** -24, 65504, 2 ** -14, -0];
    const brain = [0x3f80, 0xc040, 0x0001, 0x4049];
    const data = new Uint8Array(new Uint16Array([...halves, ...brain]).buffer);
    const header = {
      half: { dtype: 'F16', shape: [8], data_offsets: [0, 16] },
      brain: { dtype: 'BF16', shape: [2, 2], data_offsets: [16, 24] },
    };
    for (const pad of ['', ' ', '  ', '   ']) {
      const bytes = build(JSON.stringify(header) + pad, data);
      for (const given of [bytes, Buffer.concat([bytes])]) {
        const file = parseSafetensors(given, 'f');
        expect(Array.from(floats(file, 'half'))).toEqual(expected);
        expect(Array.from(floats(file, 'brain'))).toEqual([1, -3, 2 ** -133, 3.140625]);
      }
    }
  });

  const tensors = fc.dictionary(
    fc.string({ maxLength: 12 }).filter((name) => name !== '__metadata__' && name !== '__proto__'),
    fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { maxLength: 9 }),
    { maxKeys: 5 },
  );
  const write = (values: Record<string, number[]>) =>
    writeSafetensors(
      new Map(
        Object.entries(values).map(([name, v]) => [
          name,
          { shape: [v.length], values: Float32Array.from(v) },
        ]),
      ),
    );

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(tensors, (values) => {
        const file = write(values);
        const parsed = parseSafetensors(file, 'f');
        expect([...parsed.tensors.keys()].sort()).toEqual(Object.keys(values).sort());
        for (const [name, v] of Object.entries(values)) {
          expect(floats(parsed, name)).toEqual(Float32Array.from(v));
        }
        const start = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
        expect(start % 8).toBe(0);
      }),
    );
  });

  it('reads the same in pieces of any size, and a tensor when it is asked for', async () => {
    const sized = fc.tuple(tensors, fc.integer({ min: 1, max: 300 }));
    await fc.assert(
      fc.asyncProperty(sized, async ([values, size]) => {
        const read = new Map<string, number[]>();
        for await (const part of streamSafetensors(cut(write(values), size), 'f')) {
          for (const name of part.tensors.keys()) read.set(name, Array.from(floats(part, name)));
        }
        const written = Object.entries(values).map(([name, v]) => [name, v.map(Math.fround)] as const);
        expect(read).toEqual(new Map(written));
      }),
    );
    let closed = 0;
    const file = write({ a: [1, 2], b: [3, 4] });
    for await (const part of streamSafetensors(
      cut(file, 1, () => closed++),
      'f',
    )) {
      expect([...part.tensors.keys()]).toEqual(['a']);
      break;
    }
    expect(closed, 'nobody asks for the rest').toBe(1);
  });

  it('says that a tensor is larger than memory, which a file of any length can say of itself', async () => {
    const huge = build(one({ shape: [2 ** 51], data_offsets: [0, 2 ** 53 - 4] }), []);
    const shape = build(one({ shape: [2 ** 50], data_offsets: [0, 2 ** 52] }), []);
    expect(await problemOf(() => streamSafetensors(cut(huge, 7), NAME))).toContain('needs');
    expect(await problemOf(() => streamSafetensors(cut(shape, 7), NAME))).toBe(
      `${NAME} tensor "layer.weight" has no room in memory`,
    );
  });

  it('answers any corruption with an error of its own or with finite numbers', async () => {
    const edits = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(tensors, edits, fc.option(fc.nat(400)), async (values, changes, end) => {
        const file = write(values);
        for (const [at, byte] of changes) if (at < file.length) file[at] = byte;
        await refusal(end === null ? file : file.subarray(0, end));
      }),
      { numRuns: 500 },
    );
  });
});
