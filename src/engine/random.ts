// Randomness without state. Every draw is a pure function of a list of words (seed, purpose, counters), so the same
// experiment gives the same numbers whatever ran before it, a resumed run needs no generator state, and the sample
// of one prompt does not depend on which others share its batch.

/**
 * A 32-bit hash of a list of unsigned 32-bit words: MurmurHash3 (x86, 32-bit; Appleby 2008) over the words, with
 * its finaliser. Strings hash as their UTF-16 code units, so purposes can be named: `hash32(seed, 'shuffle', 3)`.
 */
export function hash32(...words: (number | string)[]): number {
  let hash = 0;
  let length = 0;
  const mix = (word: number): void => {
    let k = Math.imul(word, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    hash ^= Math.imul(k, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
    length += 4;
  };
  for (const word of words) {
    if (typeof word === 'number') mix(word);
    else for (let i = 0; i < word.length; i++) mix(word.charCodeAt(i));
  }
  hash ^= length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A number in [0, 1) with 24 random bits (exact in float32). */
export function uniform(...words: (number | string)[]): number {
  return (hash32(...words) >>> 8) / 0x1000000;
}

/** `count` independent numbers uniform in [low, high). */
export function uniforms(
  count: number,
  low: number,
  high: number,
  ...words: (number | string)[]
): Float32Array {
  const base = hash32(...words);
  return new Float32Array(count).map((_, i) => low + (high - low) * uniform(base, i));
}

/** `count` independent standard normals (Box–Muller). */
export function normals(count: number, ...words: (number | string)[]): Float32Array {
  const base = hash32(...words);
  return new Float32Array(count).map((_, i) => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform(base, i, 0)));
    return radius * Math.cos(2 * Math.PI * uniform(base, i, 1));
  });
}

/** A permutation of 0 … n−1, uniform up to the generator (Fisher–Yates). */
export function permutation(n: number, ...words: (number | string)[]): Int32Array {
  const base = hash32(...words);
  const order = new Int32Array(n).map((_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(uniform(base, i) * (i + 1));
    const swap = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = swap;
  }
  return order;
}
