// Matrix product with everything a linear layer needs: either side transposed, a scale, and a matrix or row vector
// added to the result. tfjs's own matmul is slow or unusable for three of these (B transposed, A transposed, gradients
// of frozen weights), and a layer with LoRA is three of these products: x·Wᵀ + b, x·Aᵀ, and s·(x·Aᵀ)·Bᵀ + that.

import { hasKernel, runKernel, tf } from '../tf';

export interface MatmulOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  /** Multiplies the product, not `add`. Default 1. */
  scale?: number;
  /** Added to the scaled product: [M, N], or [N] for every row. */
  add?: tf.Tensor;
}

/** scale · op(a) · op(b) + add → [M, N]; a is [M, K] ([K, M] if transposed), b is [K, N] ([N, K] if transposed). */
export function matmul(a: tf.Tensor2D, b: tf.Tensor2D, options: MatmulOptions = {}): tf.Tensor2D {
  if (!hasKernel('MatMul')) return matmulReference(a, b, options);
  const { transposeA = false, transposeB = false, scale = 1, add } = options;
  return runKernel('MatMul', add ? { a, b, add } : { a, b }, {
    transposeA,
    transposeB,
    scale,
    addRank: add?.rank ?? 0,
  });
}

/** The same of plain tfjs ops. */
export function matmulReference(a: tf.Tensor2D, b: tf.Tensor2D, options: MatmulOptions = {}): tf.Tensor2D {
  const { transposeA = false, transposeB = false, scale = 1, add } = options;
  const product = tf.matMul(a, b, transposeA, transposeB); // [M, N]
  const scaled = scale === 1 ? product : tf.mul(product, scale); // [M, N]
  return (add ? tf.add(scaled, add) : scaled) as tf.Tensor2D;
}

/** x·weightᵀ + bias: a linear layer in Hugging Face layout. x [N, I], weight [O, I], bias [O] → [N, O]. */
export function linear(x: tf.Tensor2D, weight: tf.Tensor2D, bias?: tf.Tensor): tf.Tensor2D {
  return matmul(x, weight, bias ? { transposeB: true, add: bias } : { transposeB: true });
}

tf.registerGradient({
  kernelName: 'RlhfMatMul',
  inputsToSave: ['a', 'b'],
  gradFunc: (dy, saved, attrs) => {
    const [a, b] = saved as [tf.Tensor2D, tf.Tensor2D];
    const grad = dy as tf.Tensor2D; // [M, N]
    const scale = attrs['scale'] as number;
    const tA = attrs['transposeA'] as boolean;
    const tB = attrs['transposeB'] as boolean;
    return {
      a: () =>
        tA
          ? matmul(b, grad, { transposeA: tB, transposeB: true, scale }) // [K, M]
          : matmul(grad, b, { transposeB: !tB, scale }), // [M, K]
      b: () =>
        tB
          ? matmul(grad, a, { transposeA: true, transposeB: tA, scale }) // [N, K]
          : matmul(a, grad, { transposeA: !tA, scale }), // [K, N]
      ...(attrs['addRank'] === 0
        ? {}
        : { add: () => (attrs['addRank'] === 1 ? tf.sum(grad, 0) : tf.clone(grad)) }),
    };
  },
});
