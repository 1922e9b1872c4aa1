// Rows come back as they were written, with fields added.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withFields } from './splice';

describe('withFields', () => {
  test.each([
    [
      '{"id":12345678901234567890,"x":1.0,"b":2,"1":3}',
      '{"id":12345678901234567890,"x":1.0,"b":2,"1":3,"sum":7}',
    ],
    ['{ "a" : "\\u00e9, }\\"" }', '{ "a" : "\\u00e9, }\\"","sum":7}'],
    ['{}', '{"sum":7}'],
    [' { } \r', '{"sum":7}'],
    ['{"sum":[1,{"sum":2}],"a":[{"sum":3},"]"]}', '{"a":[{"sum":3},"]"],"sum":7}'],
    ['{"a":1,"s\\u0075m":"old"}', '{"a":1,"sum":7}'],
    ['{"sum":1, "sum":2 }', '{"sum":7}'],
  ])('%j', (written, expected) => {
    expect(withFields(written, { sum: 7 })).toBe(expected);
  });

  test('keeps the letters of every other member of any object', () => {
    const objects = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true });
    const spaces = fc.constantFrom(undefined, 1, '\t');
    fc.assert(
      fc.property(objects, objects, spaces, (object, added, space) => {
        const written = JSON.stringify(object, null, space);
        const result = withFields(written, added);
        const merged = { ...object, ...added };
        expect(JSON.parse(result)).toEqual(JSON.parse(JSON.stringify(merged)));
        if (Object.keys(added).length === 0 && Object.keys(object).length > 0)
          expect(result).toBe(`${written.slice(0, -1).trimEnd()}}`);
      }),
    );
  });
});
