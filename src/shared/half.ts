// IEEE 754 binary16 and back, by their bits.

/** The number that 16 bits stand for. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The bits of the nearest binary16 numbers, ties to even; from ±65520 on infinite. No NaN. */
export function toHalves(values: Float32Array): Uint16Array {
  const single = new Float32Array(1);
  const word = new Uint32Array(single.buffer);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const size = Math.abs(value);
    let half = 0x7c00;
    if (size < 2 ** -14) {
      single[0] = size + 0.5; // float32 has 2⁻²⁴ as its unit there, as small halves have
      half = word[0]! - 0x3f000000;
    } else if (size < 65520) {
      single[0] = size;
      const bits = word[0]!;
      half = (bits - 0x38000000 + 0xfff + ((bits >>> 13) & 1)) >>> 13; // the exponents' biases differ by 112
    }
    halves[i] = half | (value < 0 ? 0x8000 : 0);
  }
  return halves;
}
