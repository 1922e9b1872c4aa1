// The whole-sequence forward pass, for training and scoring: a padded batch in, hidden states out. Positions count
// a document's own tokens only, so padding on either side and its neighbours in a packed row change nothing. Where it is
// said which rows are read, what the batch repeats is computed once (distinct.ts).

import { attention, forestTensor } from '../engine/ops/attention';
import { linear } from '../engine/ops/matmul';
import { placeRows } from '../engine/ops/place-rows';
import { tf } from '../engine/tf';
import { PlaygroundError } from '../shared/errors';
import { allTokens, distinctRows, distinctTokens } from './distinct';
import { type Adapter, parameter } from './lora';
import type { Attend, ForwardInput, LanguageModel, TokenBatch } from './types';

/**
 * Hidden states after the final norm, [B·T, C], or of `rows` of them; those of padding are finite and mean nothing. `adapter` chooses who
 * speaks (null: the bare model); `dropout` seeds the adapter's dropout and is given in training only.
 * Call inside a tidy. Throws `too-long` past the context.
 */
export function hiddenStates(
  model: LanguageModel,
  adapter: Adapter | null,
  tokens: TokenBatch,
  dropout: number | null = null,
  rows?: Int32Array,
): tf.Tensor2D {
  const { length } = tokens;
  if (length > model.config.context) {
    throw new PlaygroundError(
      'too-long',
      `a sequence of ${length} tokens is longer than the context of ${model.name}, ${model.config.context}`,
      'Shorten the prompts or the completions.',
    );
  }
  return readTokens(model, tokens, rows, { adapter, dropout });
}

/** What a layer's keys and values [B·T, H·D] are once a batch was read, 0 at padding. */
type Keep = (layer: number, k: tf.Tensor2D, v: tf.Tensor2D) => void;

/** The states of a padded batch [B·T, C], or of `rows` of it: then each token is computed once (distinct.ts). */
export function readTokens(
  model: LanguageModel,
  batch: TokenBatch,
  rows: Int32Array | undefined,
  input: Pick<ForwardInput, 'adapter' | 'dropout' | 'gains'>,
  keep?: Keep,
): tf.Tensor2D {
  // With dropout, equal tokens of different rows are no longer equal.
  const dropping = input.dropout !== null && (input.adapter?.settings.lora_dropout ?? 0) > 0;
  const tokens = rows && !dropping ? distinctTokens(batch) : allTokens(batch);
  // A block that is computed twice outlives the tensors of the forward pass: it makes its own.
  const shared = model.gradientCheckpointing ? null : forestTensor(tokens);
  const attend: Attend = (layer, q, k, v, call) => {
    keep?.(layer, placeRows(k, tokens.of), placeRows(v, tokens.of));
    return attention(q, k, v, tokens, shared ?? forestTensor(tokens), call);
  };
  const ids = tf.tensor1d(tokens.ids, 'int32');
  const states = (read: Int32Array | undefined): tf.Tensor2D =>
    readRows(model, read, { ...input, ids, positions: tokens.depth, attend });
  if (!rows) return states(undefined);
  const { read, from } = distinctRows(rows, tokens);
  const asAsked = read.length === rows.length && from.every((row, i) => row < 0 || row === i);
  return asAsked ? states(read) : placeRows(states(read), from); // [R, C] of [U, C]
}

/** The architecture's pass, its result narrowed to `rows`, of which −1 gives any finite state. */
export function readRows(
  model: LanguageModel,
  rows: Int32Array | undefined,
  input: ForwardInput,
): tf.Tensor2D {
  const [N] = input.ids.shape;
  const fewer = rows && rows.length < N ? { ...input, rows } : input;
  const hidden = model.architecture.forward(model, fewer);
  return rows && hidden.shape[0] === N ? placeRows(hidden, rows) : hidden;
}

/** Logits of the adapter's hidden states [N, C] → [N, V]. */
export function logits(
  model: LanguageModel,
  hidden: tf.Tensor2D,
  adapter: Adapter | null = null,
): tf.Tensor2D {
  return linear(hidden, headMatrix(model, adapter));
}

/** The output matrix [V, C], the adapter's own where it has one. */
export function headMatrix(model: LanguageModel, adapter: Adapter | null = null): tf.Tensor2D {
  return parameter(model, adapter, model.architecture.head(model.config)) as tf.Tensor2D;
}
