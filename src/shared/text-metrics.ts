// What can be read off completions without a model: do they keep to the asked form, do they repeat themselves, do
// they differ from each other. Words are runs of letters, digits and apostrophes in lower case.

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[a-z0-9']+/g) ?? [];

const bigramsOf = (text: string): string[] => {
  const words = wordsOf(text);
  return words.slice(1).map((word, i) => `${words[i] ?? ''} ${word}`);
};

/**
 * Distinct bigrams / all bigrams over all completions together (Li et al. 2016, corpus level, words); 0 without any.
 * It falls as the number of completions grows: compare only sets of equal size.
 */
export function distinct2(completions: readonly string[]): number {
  const bigrams = completions.flatMap(bigramsOf);
  return bigrams.length === 0 ? 0 : new Set(bigrams).size / bigrams.length;
}

/** Share of a completion's bigrams that stood earlier in the same completion, in [0, 1). */
export function repetition(completion: string): number {
  const bigrams = bigramsOf(completion);
  return bigrams.length === 0 ? 0 : 1 - new Set(bigrams).size / bigrams.length;
}

/**
 * The form that the demonstrations teach: it ended by itself (`finished`: the end token was produced), on one line,
 * with one to three sentences, the first beginning with a capital and the last complete.
 */
export function followedFormat(completion: string, finished: boolean): boolean {
  if (!finished || !/^ "?[A-Z][^\n]*[.!?]"?$/.test(completion)) return false;
  const sentences = completion.match(/[.!?]+(?=["\s]|$)/g) ?? [];
  return sentences.length <= 3;
}
