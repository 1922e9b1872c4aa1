// How completions are drawn wherever a policy is trained, judged or watched: as its probabilities have it, with no token
// cut off and none forbidden, so that what is seen is what is learnt from.

import type { GenerateOptions } from './protocol';

export const pureSampling = ({
  maxNewTokens,
  temperature = 1,
  seed,
}: {
  maxNewTokens: number;
  temperature?: number;
  seed: number;
}): GenerateOptions => ({ maxNewTokens, minNewTokens: 0, temperature, topK: 0, topP: 1, seed });
