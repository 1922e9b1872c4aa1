// A short name for the content of a file, by which a run notices that it is not the one it began with. No seal against
// anybody who wants to deceive: two hashes of 32 bits, one after the other.

const PRIMES = [0x01000193, 0x85ebca6b];

/** Of all bytes of a file. */
export const fingerprint = (bytes: Uint8Array): string => hashed(bytes, 1);

/** Numbers of a tensor that are looked at: where a model was trained on, it differs in all of them. */
const LOOKED_AT = 1024;

/** Of weights, which may be too many to look at each. */
export function fingerprintOfNumbers(values: Float32Array): string {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return hashed(words, Math.max(1, Math.floor(words.length / LOOKED_AT)));
}

function hashed(words: Uint8Array | Uint32Array, step: number): string {
  const hashes = PRIMES.map((prime) => {
    let hash = 0x811c9dc5 ^ words.length;
    for (let i = 0; i < words.length; i += step) {
      hash = Math.imul(hash ^ words[i]!, prime);
      hash ^= hash >>> 15;
    }
    return (hash >>> 0).toString(16).padStart(8, '0');
  });
  return hashes.join('');
}
