// The synthetic person who labels preference pairs: named functions from (prompt, completion) to a graded score.
// The pairs stage prefers the higher score, draws again on a tie and flips labels with the noise asked for.
// The final judge (evaluate/judge.ts) shares neither code nor word lists with this file, so that a policy is never
// measured with the ruler it was trained on.

export type LabelFunction = (prompt: string, completion: string) => number;

/** Weight 1 names or shows a feeling, weight ½ only hints at one. */
const words = (weight: number, list: string): [string, number][] =>
  list.split(' ').map((word) => [word, weight]);

const feelings = new Map<string, number>([
  ...words(
    1,
    'happy happily happier happiest glad proud proudly joy joyful joyfully cheerful delighted pleased',
  ),
  ...words(
    1,
    'smile smiled smiles smiling laugh laughed laughs laughing giggled cheered grateful thankful fun',
  ),
  ...words(1, 'excited relieved wonderful'),
  ...words(0.5, 'thanked loved love enjoyed enjoy hug hugged safe better friends kind great amazing warm'),
  ...words(
    -1,
    'sad sadly sadness sadder cry cried cries crying wept sobbed tears upset unhappy miserable lonely',
  ),
  ...words(
    -1,
    'scared afraid frightened terrified angry mad disappointed heartbroken ashamed guilty regretted',
  ),
  ...words(-1, 'embarrassed jealous worried sorry hurt died dead'),
  ...words(-0.5, 'alone lost gone broken broke ruined missed miss pain sick cold hungry tired trouble'),
]);

const negations = new Set(['not', 'never', 'no', 'without', 'stopped', 'nothing']);

/** A negated good feeling is a bad one; a negated bad one ("not sad any more") is half a good one. */
function feelingOf(sentence: readonly string[], index: number): number {
  const weight = feelings.get(sentence[index] ?? '') ?? 0;
  const negated = sentence
    .slice(Math.max(0, index - 3), index)
    .some((w) => negations.has(w) || w.endsWith("n't"));
  if (!negated) return weight;
  return weight > 0 ? -weight : -weight / 2;
}

/**
 * How the ending feels, in [-1, 1]: each distinct feeling word of a sentence counts once, the last sentence counts
 * twice, and the sum saturates, so that piling up happy words gains nothing.
 */
const feelingWords: LabelFunction = (_prompt, completion) => {
  const sentences = completion
    .toLowerCase()
    .split(/[.!?]+/)
    .map((sentence) => sentence.match(/[a-z']+/g) ?? [])
    .filter((sentence) => sentence.length > 0);
  let sum = 0;
  sentences.forEach((sentence, s) => {
    const distinct = new Map(sentence.map((word, i) => [word, feelingOf(sentence, i)]));
    for (const weight of distinct.values()) sum += s === sentences.length - 1 ? 2 * weight : weight;
  });
  return Math.max(-1, Math.min(1, sum));
};

export const labellers: Readonly<Record<string, LabelFunction>> = { 'feeling-words': feelingWords };
