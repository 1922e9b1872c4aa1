// The simplest reward: a weight for each token. Its optimum is known (the policy's odds tilt by e^{weight/β} a
// token), it needs no judgement, and what PPO does to it can be read off the samples.

import type { LanguageModel } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import type { RewardFunction } from './index';

/** The sum of the weights of a completion's tokens, by their decoded text, leading space included. EOS counts only
 *  if it is named. A text that no token has never counts, which `warn` tells. Throws `bad-experiment` without a tokenizer. */
export function tokenReward(
  weights: Readonly<Record<string, number>>,
  { name, config, tokenizer }: LanguageModel,
  warn: (message: string, fix: string) => void,
): RewardFunction {
  if (!tokenizer) {
    throw new PlaygroundError(
      'bad-experiment',
      `${name} has no tokenizer, so its tokens have no text to give weights to.`,
      'Use a model directory with a tokenizer.json.',
    );
  }
  const texts = Array.from({ length: config.vocabulary }, (_, id) =>
    id < tokenizer.vocabulary ? tokenizer.textOf(id) : '',
  );
  const known = new Set(texts);
  const unknown = Object.keys(weights).filter((text) => !known.has(text));
  if (unknown.length > 0) {
    const named = unknown.map((text) => JSON.stringify(text)).join(', ');
    warn(
      `The token reward names ${named}: no single token of ${name} has that text, so it never counts.`,
      'Name whole tokens, with the leading space they have inside a text.',
    );
  }
  const byId = Float64Array.from(texts, (text) => (Object.hasOwn(weights, text) ? weights[text]! : 0));
  return (rows) =>
    Promise.resolve(rows.map(({ tokens }) => tokens.reduce((sum, id) => sum + (byId[id] ?? 0), 0)));
}
