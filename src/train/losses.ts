// The losses of the methods as pure differentiable functions. Token tensors have any one shape and hold 0 at padding
// in every input, which then adds nothing to any sum. Each loss takes the count of the whole minibatch (its real
// tokens or pairs) as its normaliser: what its micro-batches give adds up to exactly the minibatch's loss and gradient.

import { tf } from '../engine/tf';

/** Supervised fine-tuning: negative log-likelihood over completion tokens, their mean. */
export function sftLoss(logprobs: tf.Tensor, tokens: number): tf.Scalar {
  return tf.div(tf.neg(tf.sum(logprobs)), tokens);
}

/** -log σ(x) = softplus(-x). tf.logSigmoid's gradient reads an x that a training step has disposed by then. */
export const minusLogSigmoid = (x: tf.Tensor): tf.Tensor => tf.softplus(tf.neg(x));

/** Bradley–Terry: -log σ(r_c - r_r - margin), plus coefficient · (r_c + r_r)² to keep rewards near 0 (Eisenstein
 *  et al. 2023); the mean over pairs. `chosen`, `rejected`, `margin` [P] */
export function bradleyTerryLoss(
  chosen: tf.Tensor1D,
  rejected: tf.Tensor1D,
  {
    margin,
    centering,
    pairs = chosen.size,
  }: { margin?: tf.Tensor1D; centering?: number | null; pairs?: number } = {},
): tf.Scalar {
  const difference = tf.sub(chosen, rejected); // [P]
  const delta = margin ? tf.sub(difference, margin) : difference;
  const loss = tf.sum(minusLogSigmoid(delta));
  const total = centering
    ? tf.add(loss, tf.mul(tf.sum(tf.square(tf.add(chosen, rejected))), centering))
    : loss;
  return tf.div(total, pairs);
}

/** PPO's clipped surrogate (Schulman et al. 2017, eq. 7), with the share of tokens where the clip bites, the mean
 *  of ½ (new - old)², and by how much the mean ratio differs from 1. */
export function ppoPolicyLoss(
  logprobs: tf.Tensor,
  oldLogprobs: tf.Tensor,
  advantages: tf.Tensor,
  cliprange: number,
  tokens: number,
): { loss: tf.Scalar; clipfrac: tf.Scalar; approxkl: tf.Scalar; ratioExcess: tf.Scalar } {
  const logRatio = tf.sub(logprobs, oldLogprobs);
  const ratio = tf.exp(logRatio);
  const losses = tf.neg(tf.mul(advantages, ratio));
  const clipped = tf.neg(tf.mul(advantages, tf.clipByValue(ratio, 1 - cliprange, 1 + cliprange)));
  return {
    loss: tf.div(tf.sum(tf.maximum(losses, clipped)), tokens),
    clipfrac: tf.div(tf.sum(tf.cast(tf.greater(clipped, losses), 'float32')), tokens),
    approxkl: tf.div(tf.sum(tf.square(logRatio)), 2 * tokens),
    ratioExcess: tf.div(tf.sum(tf.sub(ratio, 1)), tokens),
  };
}

/** PPO's clipped value loss: ½ mean of max((v - R)², (v_clip - R)²), v_clip within ±cliprange of the old value;
 *  with the share of positions where the clip bites. */
export function ppoValueLoss(
  values: tf.Tensor,
  oldValues: tf.Tensor,
  returns: tf.Tensor,
  cliprange: number,
  tokens: number,
): { loss: tf.Scalar; clipfrac: tf.Scalar } {
  const valuesClipped = tf.minimum(
    tf.maximum(values, tf.sub(oldValues, cliprange)),
    tf.add(oldValues, cliprange),
  );
  const losses = tf.square(tf.sub(values, returns));
  const clipped = tf.square(tf.sub(valuesClipped, returns));
  return {
    loss: tf.div(tf.sum(tf.maximum(losses, clipped)), 2 * tokens),
    clipfrac: tf.div(tf.sum(tf.cast(tf.greater(clipped, losses), 'float32')), tokens),
  };
}
