// Which words one checkpoint uses more than another: the share of its endings that hold the word at least once, ranked
// by how surely the two shares differ (the z of two proportions, half an ending added to each count so that a word that
// one side never uses has one too).

export interface WordShift {
  word: string;
  /** Shares of endings in [0, 1]. */
  before: number;
  after: number;
}

/** Surer than about one in a thousand by chance, for a word picked in advance; of hundreds of words some still pass. */
const SURE = 3.3;

/** The `most` words whose share has surely risen, and those whose share has surely fallen; surest first. */
export function wordShifts(
  before: readonly string[],
  after: readonly string[],
  most: number,
): { more: WordShift[]; less: WordShift[] } {
  const [left, right] = [counts(before), counts(after)];
  const shifts = [...new Set([...left.keys(), ...right.keys()])].map((word) => {
    const [a, b] = [left.get(word) ?? 0, right.get(word) ?? 0];
    return {
      word,
      before: a / before.length,
      after: b / after.length,
      z: zOf(a, before.length, b, after.length),
    };
  });
  const pick = (sign: number): WordShift[] =>
    shifts
      .filter(({ z }) => sign * z > SURE)
      .sort((one, other) => sign * (other.z - one.z))
      .slice(0, most)
      .map(({ word, before: was, after: is }) => ({ word, before: was, after: is }));
  return { more: pick(1), less: pick(-1) };
}

/** In how many texts each word stands. */
function counts(texts: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const text of texts) {
    for (const word of new Set(text.toLowerCase().match(/\p{L}[\p{L}'’]*/gu) ?? [])) {
      found.set(word, (found.get(word) ?? 0) + 1);
    }
  }
  return found;
}

function zOf(a: number, before: number, b: number, after: number): number {
  const [p, q] = [(a + 0.5) / (before + 1), (b + 0.5) / (after + 1)];
  return (q - p) / Math.sqrt((p * (1 - p)) / before + (q * (1 - q)) / after);
}
