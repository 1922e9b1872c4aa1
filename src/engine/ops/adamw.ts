// AdamW in place: one kernel a parameter instead of tfjs's fourteen, with decoupled weight decay and the gradient
// scale that clipping needs.

import { hasKernel, runKernel, tf, unshare } from '../tf';

export interface AdamwOptions {
  learningRate: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** 1 at the first update. */
  step: number;
  /** Multiplies the gradient first: the clipping factor. */
  gradScale: number;
}

/**
 * One update of param and its moments, in place; all four tensors have one shape (Loshchilov & Hutter 2019, as
 * torch.optim.AdamW: decay first, eps added to √v̂).
 */
export function adamw(
  param: tf.Variable,
  grad: tf.Tensor,
  m: tf.Variable,
  v: tf.Variable,
  options: AdamwOptions,
): void {
  if (!hasKernel('AdamW')) return adamwReference(param, grad, m, v, options);
  unshare(param, m, v);
  tf.dispose(runKernel<tf.Tensor>('AdamW', { param, grad, m, v }, { ...options }));
}

/** The same of plain tfjs ops. */
export function adamwReference(
  param: tf.Variable,
  grad: tf.Tensor,
  m: tf.Variable,
  v: tf.Variable,
  { learningRate, beta1, beta2, eps, weightDecay, step, gradScale }: AdamwOptions,
): void {
  tf.tidy(() => {
    const g = tf.mul(grad, gradScale);
    m.assign(tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1)));
    v.assign(tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2)));
    const mHat = tf.div(m, 1 - beta1 ** step);
    const vHat = tf.div(v, 1 - beta2 ** step);
    const decayed = tf.mul(param, 1 - learningRate * weightDecay);
    param.assign(tf.sub(decayed, tf.mul(tf.div(mHat, tf.add(tf.sqrt(vHat), eps)), learningRate)));
  });
}
