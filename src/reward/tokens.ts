// The simplest reward: a weight for each token. Its optimum is known (the policy's odds tilt by e^{weight/β} a
// token), it needs no judgement, and what PPO does to it can be read off the samples.

import type { LanguageModel } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import type { RewardFunction } from './index';

/** The sum of the weights of a completion's tokens, by their decoded text, leading space included. EOS counts only
 *  if it is named. Throws `bad-experiment` for a text that is not one token of this model. */
export function tokenReward(
  weights: Readonly<Record<string, number>>,
  { name, config, tokenizer }: LanguageModel,
): RewardFunction {
  if (!tokenizer) {
    throw new PlaygroundError(
      'bad-experiment',
      `${name} has no tokenizer, so its tokens have no text to give weights to.`,
      'Use a model directory with a tokenizer.json.',
    );
  }
  const texts = Array.from({ length: config.vocabulary }, (_, id) =>
    tokenizer.decode([id], { skipSpecial: false }),
  );
  const known = new Set(texts);
  for (const text of Object.keys(weights)) {
    if (known.has(text)) continue;
    throw new PlaygroundError(
      'bad-experiment',
      `The token reward names ${JSON.stringify(text)}, which is not one token of ${name}.`,
      'Name whole tokens, with the leading space they have inside a text.',
    );
  }
  const byId = Float64Array.from(texts, (text) => (Object.hasOwn(weights, text) ? weights[text]! : 0));
  return (rows) =>
    Promise.resolve(rows.map(({ tokens }) => tokens.reduce((sum, id) => sum + (byId[id] ?? 0), 0)));
}
