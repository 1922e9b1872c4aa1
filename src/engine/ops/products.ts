// Sums of matrix products with what stands beside them (bias, residual, GELU), many in one call: what layers of a
// transformer are made of, forward and backward. Not differentiable: linears.ts is made of it.

import { hasKernel, runKernel, tf } from '../tf';
import { dequantize, type PackedMatrix } from './dequantize';
import { gelu, geluGrad } from './gelu';
import { matmul } from './matmul';

export type Matrix = tf.Tensor2D | PackedMatrix;

/** op(a) · op(b). */
export interface Term {
  a: tf.Tensor2D;
  b: Matrix;
  transposeA?: boolean;
  transposeB?: boolean;
}

export interface Product {
  /** At least one, all of one shape [M, N]. */
  terms: readonly Term[];
  /** Multiplies their sum. Default 1. */
  scale?: number;
  /** [N], added to every row. */
  bias?: tf.Tensor | undefined;
  /** [M, N] */
  add?: tf.Tensor | undefined;
  /** [M, N]: the result is multiplied by GELU's slope there. */
  slope?: tf.Tensor2D | undefined;
  /** GELU of the result is wanted too. */
  gelu?: boolean | undefined;
}

/** (scale · Σ op(a)·op(b) + bias + add) · gelu′(slope), each [M, N], in order; one with `gelu` is followed by GELU of it. */
export function products(wanted: readonly Product[]): tf.Tensor2D[] {
  if (wanted.length === 0) return [];
  if (!hasKernel('Products')) return productsReference(wanted);
  return runKernel('Products', {}, { wanted });
}

/** The same by one product after another. */
function productsReference(wanted: readonly Product[]): tf.Tensor2D[] {
  return wanted.flatMap(({ terms, scale = 1, bias, add, slope, gelu: activate }) => {
    // `add` comes last, as where it is no part of this: the bits are then the same.
    const fused = add && !bias && terms.length === 1;
    let sum: tf.Tensor | undefined = fused ? add : bias;
    for (const { b, a, ...transposed } of terms) {
      const whole = b instanceof tf.Tensor ? b : dequantize(b);
      sum = matmul(a, whole, { ...transposed, scale, ...(sum && { add: sum }) });
    }
    if (add && !fused) sum = tf.add(sum!, add);
    const result = (slope ? geluGrad(slope, sum as tf.Tensor2D) : sum) as tf.Tensor2D;
    return activate ? [result, gelu(result)] : [result];
  });
}
