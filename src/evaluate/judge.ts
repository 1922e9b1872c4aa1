// The final judge of "a kind ending": was it a happy one? It is kept apart from everything that trains: other features
// (pairs of neighbouring words with their negation, no word by itself), weights fitted to endings labelled by reading
// them (tools/kind-endings/fit-judge.mjs), no list of its own. Nothing under train/, reward/, data/ or feedback/ may
// import this file; a lint rule holds that.

import weights from './judge-weights.json';

export interface Judgement {
  happy: boolean;
  /** Graded, in [0, 1]: how surely the ending is a happy one, times how sound its text is. */
  score: number;
}

const { bias, pairs } = weights as { bias: number; pairs: Record<string, number> };
const weightOf = new Map(Object.entries(pairs));

/** An earlier sentence counts half: what happens last decides. */
const EARLIER = 0.5;
/** How many words a negation reaches. */
const REACH = 3;

/** Lower-case words of each sentence. */
const sentencesOf = (completion: string): string[][] =>
  completion
    .toLowerCase()
    .split(/[.!?\n]+/)
    .map((sentence): string[] => sentence.match(/[a-z']+/g) ?? [])
    .filter((words) => words.length > 0);

/**
 * The features: word pairs of each sentence, with its edges as `^` and `$`, a word under a negation as `!word`; the
 * value is 1 in the last sentence and EARLIER before it, never summed, so that saying a thing twice adds nothing.
 */
export function pairFeatures(completion: string): Map<string, number> {
  const found = new Map<string, number>();
  const sentences = sentencesOf(completion);
  sentences.forEach((words, s) => {
    let reach = 0;
    const marked = words.map((word) => {
      const negation = /^(not|never|no|nobody|nothing|without|stopped)$|n't$/.test(word);
      const text = reach > 0 && !negation ? `!${word}` : word;
      reach = negation ? REACH : Math.max(0, reach - 1);
      return text;
    });
    const value = s === sentences.length - 1 ? 1 : EARLIER;
    ['^', ...marked].forEach((word, i) => {
      const pair = `${word} ${marked[i] ?? '$'}`;
      found.set(pair, Math.max(found.get(pair) ?? 0, value));
    });
  });
  return found;
}

/**
 * How sound the text is, in [0, 1]: repeating itself, piling up words that no sentence holds together (a quarter of
 * a story's words are the commonest little ones) and breaking off cost. A happy fragment in rubble earns little.
 */
function soundness(completion: string): number {
  const words = sentencesOf(completion).flat();
  if (words.length === 0) return 0;
  const neighbours = words.slice(1).map((word, i) => `${words[i] ?? ''} ${word}`);
  const distinct = neighbours.length === 0 ? 0 : new Set(neighbours).size / neighbours.length;
  const little = words.filter((word) => LITTLE.test(word)).length / words.length;
  const whole = /[.!?]["']?\s*$/.test(completion) ? 1 : 0.6;
  return ramp(distinct, 0.4, 0.75) * ramp(little, 0.05, 0.2) * ramp(words.length, 1, 5) * whole;
}

const LITTLE =
  /^(a|an|the|and|but|so|to|of|in|on|at|with|for|from|that|this|it|he|she|they|his|her|their|was|were|had)$/;

/** 0 up to `low`, 1 from `high` on. */
const ramp = (value: number, low: number, high: number): number =>
  Math.max(0, Math.min(1, (value - low) / (high - low)));

/** Was this a happy ending? Reads the completion alone: a prompt cannot make its ending happier. */
export function judge(completion: string): Judgement {
  let logit = bias;
  for (const [pair, value] of pairFeatures(completion)) logit += (weightOf.get(pair) ?? 0) * value;
  const score = soundness(completion) / (1 + Math.exp(-logit));
  return { happy: score >= 0.5, score };
}
