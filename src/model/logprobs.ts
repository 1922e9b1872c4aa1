// Log-probabilities of completions: the one quantity every method is made of. Only the hidden states that predict a
// completion token meet the vocabulary, which for short completions after long prompts is most of the saving.

import { linear, matmul } from '../engine/ops/matmul';
import { placeRows } from '../engine/ops/place-rows';
import { tokenLogprobs } from '../engine/ops/token-logprobs';
import { tf } from '../engine/tf';
import { headMatrix, hiddenStates } from './forward';
import type { Adapter } from './lora';
import type { CompletionBatch, LanguageModel } from './types';

export interface CompletionLogprobs {
  /** [B, T]: at a completion token its log-probability given what precedes it, elsewhere 0. */
  logprobs: tf.Tensor2D;
  /** [B, T]: at a completion token the entropy (nats) of the distribution it was drawn from, elsewhere 0. No gradient may
   *  be taken of it but with `entropyGradient`. */
  entropy: tf.Tensor2D;
  /** [B, T]: 1 at a completion token that no other was likelier than, elsewhere 0. Computed when asked for. */
  correct: () => tf.Tensor2D;
  /** [G]: the mean over the vocabulary of the raw logits, summed over the completion tokens of each group of rows. A mean
   *  of products is a product with a mean, so that no logit of a token is ever computed. */
  logits: (groupOf: readonly number[], groups: number) => tf.Tensor1D;
}

interface Options {
  /** Divides the logits. */
  temperature: number;
  /** Seed of the adapter's dropout: training only. */
  dropout?: number | null;
  /** A gradient of the entropy will be asked for too. */
  entropyGradient?: boolean;
}

/** Differentiable in the adapter. Call inside a tidy. */
export function completionLogprobs(
  model: LanguageModel,
  adapter: Adapter | null,
  batch: CompletionBatch,
  { temperature, dropout = null, entropyGradient = false }: Options,
): CompletionLogprobs {
  const { before, ids, slots } = completionRows(batch);
  const hidden = hiddenStates(model, adapter, batch, dropout, before); // [N, C]
  const given = tf.tensor1d(ids, 'int32');
  const of = tokenLogprobs(hidden, headMatrix(model, adapter), given, temperature, entropyGradient); // each [N]
  return {
    logprobs: spread(of.logprobs, slots, batch),
    entropy: spread(of.entropy, slots, batch),
    correct: () => spread(of.correct, slots, batch),
    logits: (groupOf, groups) => {
      const marks = new Float32Array(groups * before.length); // [G, N]
      before.forEach((i, n) => {
        if (i >= 0) marks[groupOf[Math.floor(i / batch.length)]! * before.length + n] = 1;
      });
      const sums = matmul(tf.tensor2d(marks, [groups, before.length]), hidden); // [G, C]
      return tf.mean(linear(sums, headMatrix(model, adapter)), 1); // [G]
    },
  };
}

/** Shapes seen by the device are kept few: the number of gathered rows is rounded up to this. */
const ROWS = 32;

/**
 * For the N completion tokens: the flat index of the position before each, its id, and for every position of [B, T]
 * which of the N it is. N is rounded up; −1 stands for none.
 */
export function completionRows({ ids, completion, batch, length }: CompletionBatch) {
  const slots = new Int32Array(batch * length).fill(-1);
  const tokens: number[] = [];
  for (let i = 0; i < completion.length; i++) {
    if (completion[i] !== 1) continue;
    if (i % length === 0) throw new Error('a completion must follow at least one prompt token');
    slots[i] = tokens.length;
    tokens.push(i);
  }
  const rounded = Math.max(ROWS, Math.ceil(tokens.length / ROWS) * ROWS);
  const before = new Int32Array(rounded).fill(-1);
  const picked = new Int32Array(rounded);
  tokens.forEach((i, n) => {
    before[n] = i - 1;
    picked[n] = ids[i] ?? 0;
  });
  return { before, ids: picked, slots };
}

/** values [N] → [B, T]: values[slots] where a slot is ≥ 0, else 0; no slot twice. */
export function spread(
  values: tf.Tensor,
  slots: Int32Array,
  { batch, length }: { batch: number; length: number },
): tf.Tensor2D {
  return tf.reshape(placeRows(tf.reshape(values, [-1, 1]), slots), [batch, length]);
}
