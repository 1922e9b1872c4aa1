// AdamW in place over many parameters at once: one kernel instead of tfjs's fourteen for each, with decoupled weight
// decay and with clipping, whose factor the device finds for itself, so that nothing waits to be read back.

import { hasKernel, runKernel, tf, unshare } from '../tf';

export interface AdamwOptions {
  learningRate: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** 1 at the first update. */
  step: number;
  /** The gradient is scaled down to this norm, as by torch.nn.utils.clip_grad_norm_; 0 for no limit. */
  limit: number;
}

/** What is known of some parameters, end to end [P]. */
export interface Moments {
  grad: tf.Tensor;
  m: tf.Variable;
  v: tf.Variable;
  /** The squared norm of the whole gradient, of other parameters too. */
  squares: tf.Scalar;
}

/**
 * One update of the parameters and their moments, in place (Loshchilov & Hutter 2019, as torch.optim.AdamW: decay
 * first, eps added to √v̂). Where the norm is not finite, nothing changes.
 */
export function adamw(params: readonly tf.Variable[], moments: Moments, options: AdamwOptions): void {
  const { grad, m, v, squares } = moments;
  if (!hasKernel('AdamW')) return adamwReference(params, moments, options);
  unshare(...params, m, v);
  tf.dispose(runKernel<tf.Tensor[]>('AdamW', { grad, m, v, squares }, { ...options, params }));
}

/** What the gradient is multiplied with. */
export function clipping(squares: number, limit: number): number {
  return limit > 0 ? Math.min(1, limit / (Math.sqrt(squares) + 1e-6)) : 1;
}

/** The same of plain tfjs ops. */
export function adamwReference(
  params: readonly tf.Variable[],
  { grad, m, v, squares }: Moments,
  { learningRate, beta1, beta2, eps, weightDecay, step, limit }: AdamwOptions,
): void {
  const known = squares.dataSync()[0]!;
  if (!Number.isFinite(known)) return;
  tf.tidy(() => {
    const g = tf.mul(tf.reshape(grad, m.shape), clipping(known, limit));
    m.assign(tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1)));
    v.assign(tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2)));
    const mHat = tf.div(m, 1 - beta1 ** step);
    const vHat = tf.div(v, 1 - beta2 ** step);
    const change = tf.mul(tf.div(mHat, tf.add(tf.sqrt(vHat), eps)), learningRate); // [P]
    let at = 0;
    for (const param of params) {
      const own = tf.reshape(tf.slice(change, at, param.size), param.shape);
      param.assign(tf.sub(tf.mul(param, 1 - learningRate * weightDecay), own));
      at += param.size;
    }
  });
}
