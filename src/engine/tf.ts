// The one door to TensorFlow.js. Everything else imports `tf` from here, so that there is a single copy of the
// engine, and so that our own kernels (ops/) are found by one rule: a kernel named `Rlhf<Name>` registered for the
// backend in use is taken, otherwise the op's reference of plain tfjs ops runs.

import * as tf from '@tensorflow/tfjs';

export { tf };

/** True if a fused kernel `Rlhf<name>` is registered for the backend in use. */
export function hasKernel(name: string): boolean {
  return Boolean(tf.getKernel(`Rlhf${name}`, tf.getBackend()));
}

/** Runs the fused kernel `Rlhf<name>`; one output tensor, or several as the kernel returns. */
export function runKernel<T extends tf.Tensor | tf.Tensor[]>(
  name: string,
  inputs: Record<string, tf.Tensor>,
  attrs: object = {},
): T {
  return tf.engine().runKernel<T>(`Rlhf${name}`, inputs, attrs as tf.NamedAttrMap);
}

/** Before an in-place write: a variable that shares its buffer with another tensor gets one of its own. */
export function unshare(...variables: tf.Variable[]): void {
  for (const variable of variables) {
    if (tf.backend().refCount(variable.dataId) > 1) tf.tidy(() => variable.assign(tf.mul(variable, 1)));
  }
}
