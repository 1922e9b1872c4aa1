import { expect, test } from 'vitest';
import { halfToFloat, toHalves } from './half';

test('every finite half comes back as itself', () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i).filter(
    (i) => (i & 0x7c00) !== 0x7c00 && i !== 0x8000,
  );
  expect(toHalves(Float32Array.from(bits, halfToFloat))).toEqual(bits);
});

test('numbers between two halves go to the nearer, ties to even, and too large ones to infinity', () => {
  const numbers = Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, 3 * 2 ** -25, 65519, 65520, -1e9);
  expect([...toHalves(numbers)].map(halfToFloat)).toEqual([
    1,
    1 + 2 ** -9,
    0,
    2 ** -23,
    65504,
    Infinity,
    -Infinity,
  ]);
});
