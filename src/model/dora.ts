// DoRA (Liu et al. 2024): LoRA turns the rows of a weight and a trained magnitude m gives each its length,
// W' = m · (W + s·B·A) / ‖W + s·B·A‖ by outputs. As in PEFT the norm is a constant of the gradient (§4.3 of the paper).

import { constant } from '../engine/constant';
import { dequantize } from '../engine/ops/dequantize';
import { matmul } from '../engine/ops/matmul';
import { tf } from '../engine/tf';
import type { Adapter } from './lora';
import type { LanguageModel } from './types';

/** PEFT's name of m [out], after the layer's. */
export const MAGNITUDE = 'lora_magnitude_vector';

/** ‖W + s·B·A‖ of every output of the layer `name`, [out]; of W alone without an adapter. Call inside a tidy. */
export function outputNorms(model: LanguageModel, adapter: Adapter | null, name: string): tf.Tensor1D {
  const packed = model.packed?.get(`${name}.weight`);
  const base = packed ? dequantize(packed) : (model.weights.get(`${name}.weight`) as tf.Tensor2D);
  const transposed = model.architecture.fanInFanOut === true; // then W is [in, out], else [out, in]
  let weight = base;
  if (adapter) {
    const A = adapter.variables.get(`${name}.lora_A.weight`) as unknown as tf.Tensor2D; // [r, in]
    const B = adapter.variables.get(`${name}.lora_B.weight`) as unknown as tf.Tensor2D; // [out, r]
    const options = { scale: adapter.scaling, add: base };
    weight = transposed
      ? matmul(A, B, { ...options, transposeA: true, transposeB: true })
      : matmul(B, A, options);
  }
  return tf.sqrt(tf.sum(tf.square(weight), transposed ? 0 : 1));
}

/**
 * m / ‖W + s·B·A‖ of a layer, [out], by which its outputs are multiplied: 1 before the first step. Null where the
 * adapter has no magnitude. Call inside a tidy.
 */
export function gain(model: LanguageModel, adapter: Adapter, name: string): tf.Tensor1D | null {
  const magnitude = adapter.variables.get(`${name}.${MAGNITUDE}`); // [out]
  return magnitude
    ? tf.div(
        magnitude,
        constant(() => outputNorms(model, adapter, name)),
      )
    : null;
}

/** Every layer's gain by its name, for passes between which nothing is trained. The caller disposes them. */
export function gains(model: LanguageModel, adapter: Adapter | null): Map<string, tf.Tensor1D> {
  const found = new Map<string, tf.Tensor1D>();
  for (const key of adapter?.variables.keys() ?? []) {
    if (!adapter || !key.endsWith(`.${MAGNITUDE}`)) continue;
    const name = key.slice(0, -MAGNITUDE.length - 1);
    found.set(
      name,
      tf.tidy(() => gain(model, adapter, name) as tf.Tensor1D),
    );
  }
  return found;
}
