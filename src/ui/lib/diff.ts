// What two texts have in common, word by word: the longest common subsequence, so that what a reader sees marked is as
// little as can be. A completion has a few dozen words, so the plain table is quick enough.

export interface Piece {
  text: string;
  /** In both texts, at the same place in the order. */
  same: boolean;
}

/** Both texts as pieces that join to them again; neighbours of the same kind are one piece. */
export function diffWords(before: string, after: string): { before: Piece[]; after: Piece[] } {
  const left = wordsOf(before);
  const right = wordsOf(after);
  const common = commonLengths(left, right);
  const marks = { before: new Array<boolean>(left.length).fill(false), after: right.map(() => false) };
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    if (bare(left[i]) === bare(right[j])) {
      marks.before[i++] = true;
      marks.after[j++] = true;
    } else if (common[i + 1]![j]! >= common[i]![j + 1]!) i++;
    else j++;
  }
  return { before: piecesOf(left, marks.before), after: piecesOf(right, marks.after) };
}

/** Words with the space before them. */
function wordsOf(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

function bare(word: string | undefined): string {
  return word?.trim() ?? '';
}

/** Length of the longest common subsequence of what is left from (i, j) on. [left + 1, right + 1] */
function commonLengths(left: readonly string[], right: readonly string[]): number[][] {
  const lengths = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0));
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      lengths[i]![j] =
        bare(left[i]) === bare(right[j])
          ? lengths[i + 1]![j + 1]! + 1
          : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
    }
  }
  return lengths;
}

function piecesOf(words: readonly string[], same: readonly boolean[]): Piece[] {
  const pieces: Piece[] = [];
  words.forEach((text, i) => {
    const last = pieces[pieces.length - 1];
    const kind = same[i] ?? false;
    if (last?.same === kind) last.text += text;
    else pieces.push({ text, same: kind });
  });
  return pieces;
}
