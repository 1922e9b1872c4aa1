import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlaygroundError } from './errors';
import { parseJson, toValue } from './json';

const read = (text: string): unknown => toValue(parseJson(text, 'a.json', 'bad-experiment'));
const errorOf = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof PlaygroundError) return error.message;
    throw error;
  }
  return 'no error';
};

describe('parseJson', () => {
  test('agrees with JSON.parse on whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 3 }), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(read(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test('accepts and refuses what JSON.parse does, and never throws anything but its own error', () => {
    const pieces = fc.constantFrom(
      ...'{ } [ ] , : " "a" "\\n" "\\x" \\ 1 -0 01 1. 1e5 .5 true nul null \n \t "\u0001'.split(' '),
      ' ',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((parts) => parts.join('')),
        ),
        (text) => {
          let expected: unknown;
          try {
            expected = JSON.parse(text);
          } catch {
            expect(errorOf(text)).toContain('a.json, line ');
            return;
          }
          // A repeated key is the one thing JSON.parse lets through.
          const message = errorOf(text);
          if (message === 'no error') expect(read(text)).toEqual(expected);
          else expect(message).toContain('stands twice');
        },
      ),
      { numRuns: 400 },
    );
  });

  test('remembers lines; a member stands where its key does', () => {
    const node = parseJson('{\n  "a": 1,\n  "b":\n    [true,\n\n null]\n}', 'a.json', 'bad-experiment');
    if (node.kind !== 'object') throw new Error('not an object');
    const b = node.entries.get('b');
    if (b?.kind !== 'array') throw new Error('not an array');
    expect([node.line, node.entries.get('a')?.line, b.line, ...b.items.map(({ line }) => line)]).toEqual([
      1, 2, 3, 4, 6,
    ]);
  });

  test.each([
    ['{\n  "a": 1\n  "b": 2 }', 'a.json, line 3, column 3: expected "," or "}", found "\\"".'],
    ['{"a": 1,}', 'a.json, line 1, column 9: expected a key in double quotes, found "}".'],
    ['[1, 2', 'a.json, line 1, column 6: expected "," or "]", found the end of the file.'],
    ['', 'a.json, line 1, column 1: expected a value, found the end of the file.'],
    ['{"a": 1} x', 'a.json, line 1, column 10: expected the end of the file, found "x".'],
    ['{"a": 1, "a": 2}', 'a.json, line 1: the key "a" stands twice in the same object.'],
    ["{'a': 1}", 'a.json, line 1, column 2: expected a key in double quotes, found "\'".'],
  ])('says where %j is broken', (text, message) => {
    expect(errorOf(text)).toBe(message);
  });

  test('refuses endless nesting in place of overflowing the stack', () => {
    expect(errorOf('['.repeat(100000))).toContain('at most 100 levels');
  });

  test('reads a long text and a byte order mark, and keeps __proto__ a plain key', () => {
    const long = 'é\\n'.repeat(500000);
    expect(read(`\uFEFF"${long}"`)).toBe('é\n'.repeat(500000));
    expect(Object.getOwnPropertyNames(read('{"__proto__": {"x": 1}}'))).toEqual(['__proto__']);
  });
});
