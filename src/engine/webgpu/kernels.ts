// Registers our WGSL kernels with tfjs under the backend name 'webgpu'. Inputs and attributes are as src/engine/ops
// passes them.

import { tf } from '../tf';
import { attentionGradKernel, attentionKernel, cachedAttentionKernel } from './attention';
import { dequantizeKernel } from './dequantize';
import {
  cacheWriteKernel,
  dropoutKernel,
  gatherRowsKernel,
  geluGradKernel,
  geluKernel,
  scatterRowsKernel,
  sumRowsKernel,
} from './elementwise';
import { rotaryKernel, swigluGradKernel, swigluKernel } from './llama';
import { matmulKernel } from './matmul';
import { layerNormGradKernel, layerNormKernel, rmsNormGradKernel, rmsNormKernel } from './norms';
import { adamwKernel, flattenKernel, sumOfSquaresKernel } from './optimizer';
import { productsKernel } from './products';
import { tokenKlGradKernel, tokenKlKernel } from './token-kl';
import { sampleKernel, tokenLogprobsGradKernel, tokenLogprobsKernel } from './vocabulary';

type Kernel<I, A> = (inputs: I, attrs: A) => tf.TensorInfo | tf.TensorInfo[];

let installed = false;

/** Once for all devices; the shaders compile on first use. */
export function installWebGPUKernels(): void {
  if (installed) return;
  installed = true;
  register('MatMul', matmulKernel);
  register('Products', productsKernel);
  register('TokenLogprobs', tokenLogprobsKernel);
  register('TokenLogprobsGrad', tokenLogprobsGradKernel);
  register('TokenKl', tokenKlKernel);
  register('TokenKlGrad', tokenKlGradKernel);
  register('AdamW', adamwKernel);
  register('Flatten', flattenKernel);
  register('Sample', sampleKernel);
  register('GatherRows', gatherRowsKernel);
  register('ScatterRows', scatterRowsKernel);
  register('SumRows', sumRowsKernel);
  register('CacheWrite', cacheWriteKernel);
  register('Dequantize', dequantizeKernel);
  register('RmsNorm', rmsNormKernel);
  register('RmsNormGrad', rmsNormGradKernel);
  register('Rotary', rotaryKernel);
  register('Swiglu', swigluKernel);
  register('SwigluGrad', swigluGradKernel);
  register('Dropout', dropoutKernel);
  register('LayerNorm', layerNormKernel);
  register('LayerNormGrad', layerNormGradKernel);
  register('Gelu', geluKernel);
  register('GeluGrad', geluGradKernel);
  register('Attention', attentionKernel);
  register('AttentionGrad', attentionGradKernel);
  register('CachedAttention', cachedAttentionKernel);
  register('SumOfSquares', sumOfSquaresKernel);
}

function register<I, A>(name: string, kernel: Kernel<I, A>): void {
  tf.registerKernel({
    kernelName: `Rlhf${name}`,
    backendName: 'webgpu',
    kernelFunc: ({ inputs, attrs }) => kernel(inputs as unknown as I, attrs as unknown as A),
  });
}
