// What a change of the weights, such as keeping them in four bits, does to a model's predictions: perplexity before and
// after, and the divergence of its next-token distributions.

import { tf } from '../engine/tf';
import { hiddenStates, logits } from '../model/forward';
import type { LanguageModel } from '../model/types';

export interface Divergence {
  /** exp of the mean negative log-probability of each token given those before it. */
  perplexity: { reference: number; other: number };
  /** Mean over positions of KL(reference ‖ other), in nats. */
  kl: number;
  /** Share of positions at which both find the same token the most likely. */
  agreement: number;
}

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
      const logprobs = (model: LanguageModel) =>
        tf.logSoftmax(tf.slice(logits(model, hiddenStates(model, null, batch)), 0, before)); // [T−1, V]
      const [p, q] = [logprobs(reference), logprobs(other)]; // [T−1, V] each
      const next = tf.cast(tf.oneHot(tf.tensor1d(ids.subarray(1), 'int32'), p.shape[1]), 'float32'); // [T−1, V]
      return tf.stack([
        tf.sum(tf.mul(p, next)),
        tf.sum(tf.mul(q, next)),
        tf.sum(tf.mul(tf.exp(p), tf.sub(p, q))),
        tf.sum(tf.cast(tf.equal(tf.argMax(p, 1), tf.argMax(q, 1)), 'float32')),
      ]);
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
