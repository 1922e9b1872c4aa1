// The whole-sequence forward pass, for training and scoring: a padded batch in, hidden states out. Positions count
// a document's own tokens only, so padding on either side and its neighbours in a packed row change nothing. Where few
// rows are read, what the batch repeats is computed once (distinct.ts).

import { attention } from '../engine/ops/attention';
import { linear } from '../engine/ops/matmul';
import { placeRows } from '../engine/ops/place-rows';
import { tf } from '../engine/tf';
import { PlaygroundError } from '../shared/errors';
import { type Distinct, distinctRows, distinctTokens } from './distinct';
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
  const { mask, batch, length } = tokens;
  if (length > model.config.context) {
    throw new PlaygroundError(
      'too-long',
      `a sequence of ${length} tokens is longer than the context of ${model.name}, ${model.config.context}`,
      'Shorten the prompts or the completions.',
    );
  }
  const segments = (): tf.Tensor2D => tf.tensor2d(mask, [batch, length], 'int32'); // [B, T]
  // A block that is computed twice outlives the tensors of the forward pass: it makes its own.
  const shared = model.gradientCheckpointing ? null : segments();
  return readTokens(model, tokens, rows, {
    adapter,
    attend: (_layer, q, k, v, call) => attention(q, k, v, shared ?? segments(), { batch, ...call }),
    dropout,
  });
}

/** The states of a padded batch, or of `rows` of it: then each token is computed once (distinct.ts). `attend` meets the
 *  batch as it lies. */
export function readTokens(
  model: LanguageModel,
  tokens: TokenBatch,
  rows: Int32Array | undefined,
  input: Omit<ForwardInput, 'ids' | 'positions' | 'rows'>,
): tf.Tensor2D {
  // With dropout, equal tokens of different rows are no longer equal.
  const dropping = input.dropout !== null && (input.adapter?.settings.lora_dropout ?? 0) > 0;
  const distinct = rows && !dropping ? distinctTokens(tokens) : null;
  if (!rows || !distinct) {
    const { ids, mask, batch, length } = tokens;
    const whole = { ids: tf.tensor1d(ids, 'int32'), positions: positions(mask, batch, length) };
    return readRows(model, rows, { ...input, ...whole });
  }
  const { read, from } = distinctRows(rows, distinct);
  const hidden = readRows(model, read, {
    ...input,
    ids: tf.tensor1d(distinct.ids, 'int32'),
    positions: distinct.positions,
    attend: attendDistinct(input.attend, distinct),
  }); // [U, C]
  return placeRows(hidden, from);
}

/** Attention of the distinct tokens [N, H·D]: over the batch as it lies, [B·T, H·D]. */
function attendDistinct(attend: Attend, { of, first }: Distinct): Attend {
  return (layer, q, k, v, call) => {
    const [ofQ, ofK, ofV] = [q, k, v].map((x) => placeRows(x, of)) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    return placeRows(attend(layer, ofQ, ofK, ofV, call), first);
  };
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

/** The number of tokens of its own segment before each, 0 under padding. Row-major [B, T]. */
function positions(mask: Int32Array, batch: number, length: number): Int32Array {
  const result = new Int32Array(batch * length);
  for (let i = 1; i < batch * length; i++) {
    const goesOn = i % length > 0 && mask[i] !== 0 && mask[i] === mask[i - 1];
    if (goesOn) result[i] = result[i - 1]! + 1;
  }
  return result;
}
