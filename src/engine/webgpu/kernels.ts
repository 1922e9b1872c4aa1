// Registers our WGSL kernels with tfjs under the backend name 'webgpu'. Inputs and attributes are as src/engine/ops
// passes them.

import { tf } from '../tf';
import { matmulKernel } from './matmul';

type Kernel<I, A> = (inputs: I, attrs: A) => tf.TensorInfo | tf.TensorInfo[];

/** Idempotent; the shaders compile on first use. */
export function installWebGPUKernels(): void {
  register('MatMul', matmulKernel);
}

function register<I, A>(name: string, kernel: Kernel<I, A>): void {
  const kernelName = `Rlhf${name}`;
  if (tf.getKernel(kernelName, 'webgpu')) return;
  tf.registerKernel({
    kernelName,
    backendName: 'webgpu',
    kernelFunc: ({ inputs, attrs }) => kernel(inputs as unknown as I, attrs as unknown as A),
  });
}
