// Which of our kernels this browser can run: those that multiply and add in one operation, or those that round between
// the two. A run keeps the name, since their sums differ in the last bits.

/** A module of one function that multiplies and adds in one operation (f32x4.relaxed_madd): where it is valid, so are
 *  the variants that are faster by it. */
// prettier-ignore
const FUSED = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, // magic, version
  1, 8, 1, 96, 3, 123, 123, 123, 1, 123, // type: three vectors to one
  3, 2, 1, 0, // one function of that type
  10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 133, 2, 11, // its body
);

export type Variant = 'fused' | 'plain';

export const kernelVariant = (): Variant => (WebAssembly.validate(FUSED) ? 'fused' : 'plain');
