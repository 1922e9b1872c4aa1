// The gate of Llama's MLP, SwiGLU (Shazeer 2020).

import { hasKernel, runKernel, tf } from '../tf';

/** silu(gate) · up with silu(x) = x/(1 + e⁻ˣ), elementwise, [N, I] each. */
export function swiglu(gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D {
  return hasKernel('Swiglu') ? runKernel('Swiglu', { x: gate, up }) : swigluReference(gate, up);
}

/** The same of plain tfjs ops. */
function swigluReference(gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D {
  return tf.mul<tf.Tensor2D>(tf.mul(gate, tf.sigmoid(gate)), up);
}

tf.registerGradient({
  kernelName: 'RlhfSwiglu',
  inputsToSave: ['x', 'up'],
  gradFunc: (dy, saved) => {
    const [x, up] = saved as [tf.Tensor2D, tf.Tensor2D];
    // At once, not by need: see attention.ts.
    const [dGate, dUp] = runKernel<tf.Tensor[]>('SwigluGrad', { x, up, dy: dy as tf.Tensor }) as [
      tf.Tensor,
      tf.Tensor,
    ];
    return { x: () => dGate, up: () => dUp };
  },
});
