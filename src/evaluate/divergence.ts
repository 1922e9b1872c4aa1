// What a change of the weights, such as keeping them in four bits, does to a model's predictions: perplexity before and
// after, and the divergence of its next-token distributions.

import { type Predictor, tokenKl } from '../engine/ops/token-kl';
import { tokenLogprobs } from '../engine/ops/token-logprobs';
import { tf } from '../engine/tf';
import { headMatrix, hiddenStates } from '../model/forward';
import type { LanguageModel } from '../model/types';
import type { Divergence } from '../shared/protocol';

/** Over `texts`, each of at least two token ids. */
export async function divergence(
  reference: LanguageModel,
  other: LanguageModel,
  texts: readonly (readonly number[])[],
): Promise<Divergence> {
  const sums = { tokens: 0, reference: 0, other: 0, kl: 0, same: 0 };
  for (const text of texts) {
    const ids = Int32Array.from(text);
    const batch = { ids, mask: new Int32Array(ids.length).fill(1), batch: 1, length: ids.length };
    const found = tf.tidy(() => {
      const before = ids.length - 1; // the positions that have a next token
      const [p, q] = [reference, other].map((model) => ({
        hidden: tf.slice(hiddenStates(model, null, batch), 0, before), // [T−1, C]
        head: headMatrix(model), // [V, C]
      })) as [Predictor, Predictor];
      const next = tf.tensor1d(ids.subarray(1), 'int32'); // [T−1]
      const { kl, agree } = tokenKl(p, q, 1); // [T−1] each
      const logprobs = [p, q].map(({ hidden, head }) => tokenLogprobs(hidden, head, next, 1).logprobs);
      return tf.stack([...logprobs, kl, agree].map((values) => tf.sum(values)));
    });
    const [p = NaN, q = NaN, kl = NaN, same = NaN] = await found.data();
    found.dispose();
    sums.tokens += ids.length - 1;
    sums.reference -= p;
    sums.other -= q;
    sums.kl += kl;
    sums.same += same;
  }
  const mean = (sum: number): number => sum / sums.tokens;
  return {
    perplexity: { reference: Math.exp(mean(sums.reference)), other: Math.exp(mean(sums.other)) },
    kl: mean(sums.kl),
    agreement: mean(sums.same),
  };
}
