// A residual stream on its two ways: through a norm into the block, and past it. The gradients of both meet in the
// norm's own kernel instead of a sum of their own.

import { recordOp } from '../private';
import { hasKernel, tf } from '../tf';
import { layerNorm, layerNormGradients } from './layer-norm';
import { rmsNorm, rmsNormGradients } from './rms-norm';

interface Forked {
  normed: tf.Tensor2D;
  /** x itself. */
  past: tf.Tensor2D;
}

/** layerNorm(x) beside x, [N, C] each. */
export function forkLayerNorm(x: tf.Tensor2D, gamma: tf.Tensor, beta: tf.Tensor, eps: number): Forked {
  if (!hasKernel('LayerNorm')) return { normed: layerNorm(x, gamma, beta, eps), past: x };
  return fork(
    () => layerNorm(x, gamma, beta, eps),
    { x, gamma, beta },
    (saved, dy, add) => layerNormGradients(saved, gamma, dy, eps, add),
  );
}

/** rmsNorm(x) beside x, [N, C] each. */
export function forkRmsNorm(x: tf.Tensor2D, gamma: tf.Tensor, eps: number): Forked {
  if (!hasKernel('RmsNorm')) return { normed: rmsNorm(x, gamma, eps), past: x };
  return fork(
    () => rmsNorm(x, gamma, eps),
    { x, gamma },
    (saved, dy, add) => rmsNormGradients(saved, gamma, dy, eps, add),
  );
}

function fork(
  norm: () => tf.Tensor2D,
  inputs: { x: tf.Tensor2D } & Record<string, tf.Tensor>,
  gradients: (x: tf.Tensor2D, dy: tf.Tensor2D, add: tf.Tensor2D) => Record<string, () => tf.Tensor>,
): Forked {
  return tf.tidy(() => {
    const [normed, past] = recordOp({
      inputs,
      outputs: [norm(), inputs.x],
      save: [inputs.x],
      backward: ([dNormed, dPast], [x]) =>
        gradients(x as tf.Tensor2D, dNormed as tf.Tensor2D, dPast as tf.Tensor2D),
    }) as [tf.Tensor2D, tf.Tensor2D];
    return { normed, past };
  });
}
