// Scalar heads: a linear map of the hidden state to one number, the adapter's `score.weight`. The reward model reads
// it once a sequence, the critic at every token.

import { linear } from '../engine/ops/matmul';
import { tf } from '../engine/tf';
import { hiddenStates } from './forward';
import { completionRows, spread } from './logprobs';
import type { Adapter } from './lora';
import type { CompletionBatch, LanguageModel, TokenBatch } from './types';

/** The score of each sequence, read at its last real token: [B]. Call inside a tidy. */
export function sequenceScores(
  model: LanguageModel,
  adapter: Adapter,
  batch: TokenBatch,
  dropout: number | null = null,
): tf.Tensor1D {
  const last = Int32Array.from({ length: batch.batch }, (_, b) => {
    const row = batch.mask.subarray(b * batch.length, (b + 1) * batch.length);
    return b * batch.length + row.lastIndexOf(1);
  });
  const hidden = hiddenStates(model, adapter, batch, dropout, last); // [B, C]
  return tf.reshape(linear(hidden, adapter.head()), [batch.batch]);
}

/**
 * The critic's value of the state that each completion token was drawn from (the hidden state before it), aligned
 * with completionLogprobs: [B, T], 0 outside the completion. Call inside a tidy.
 */
export function completionValues(
  model: LanguageModel,
  adapter: Adapter,
  batch: CompletionBatch,
  dropout: number | null = null,
): tf.Tensor2D {
  const { before, slots } = completionRows(batch);
  const hidden = hiddenStates(model, adapter, batch, dropout, before); // [N, C]
  return spread(linear(hidden, adapter.head()), slots, batch);
}
