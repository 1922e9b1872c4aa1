// Our kernels over tfjs's own memory. Every kernel does units begin … end − 1 of a job whose arguments lie at `args`;
// which thread does which unit changes no bit of the result. Nothing here may have static data (strings, arrays,
// tables): it would be laid over tfjs's memory.

import { attention, attentionGrad, cachedAttention } from './attention';
import { dropout } from './dropout';
import { dequantize } from './dequantize';
import { gelu, geluGrad } from './elementwise';
import { Kernel } from './kernels';
import { layerNorm, layerNormGrad } from './layer-norm';
import { rmsNorm, rmsNormGrad, rotary, swiglu, swigluGrad } from './llama';
import { scaleRows, tokenLogprobs, tokenLogprobsGrad } from './logprobs';
import { adamw, sumOfSquares } from './optimizer';
import { PRODUCT_SCRATCH, products } from './products';
import { cacheWrite, gatherRows, scatterRows, sumRows } from './rows';
import { sample } from './sample';
import { tokenKl, tokenKlGrad } from './token-kl';

/** Bytes of scratch every kernel may use besides what its call asks for. */
export function scratchBytes(): usize {
  return PRODUCT_SCRATCH;
}

export function run(kernel: i32, args: usize, begin: usize, end: usize, scratch: usize): void {
  switch (kernel) {
    case Kernel.Products:
      return products(args, begin, end, scratch);
    case Kernel.LayerNorm:
      return layerNorm(args, begin, end);
    case Kernel.LayerNormGrad:
      return layerNormGrad(args, begin, end);
    case Kernel.Gelu:
      return gelu(args, begin, end);
    case Kernel.GeluGrad:
      return geluGrad(args, begin, end);
    case Kernel.Attention:
      return attention(args, begin, end, scratch);
    case Kernel.AttentionGrad:
      return attentionGrad(args, begin, end, scratch);
    case Kernel.CachedAttention:
      return cachedAttention(args, begin, end, scratch);
    case Kernel.TokenLogprobs:
      return tokenLogprobs(args, begin, end, scratch);
    case Kernel.TokenLogprobsGrad:
      return tokenLogprobsGrad(args, begin, end, scratch);
    case Kernel.ScaleRows:
      return scaleRows(args, begin, end);
    case Kernel.TokenKl:
      return tokenKl(args, begin, end, scratch);
    case Kernel.TokenKlGrad:
      return tokenKlGrad(args, begin, end, scratch);
    case Kernel.Sample:
      return sample(args, begin, end, scratch);
    case Kernel.GatherRows:
      return gatherRows(args, begin, end);
    case Kernel.ScatterRows:
      return scatterRows(args, begin, end);
    case Kernel.SumRows:
      return sumRows(args, begin, end);
    case Kernel.RmsNorm:
      return rmsNorm(args, begin, end);
    case Kernel.RmsNormGrad:
      return rmsNormGrad(args, begin, end);
    case Kernel.Rotary:
      return rotary(args, begin, end);
    case Kernel.Swiglu:
      return swiglu(args, begin, end);
    case Kernel.SwigluGrad:
      return swigluGrad(args, begin, end);
    case Kernel.Dequantize:
      return dequantize(args, begin, end, scratch);
    case Kernel.CacheWrite:
      return cacheWrite(args, begin, end);
    case Kernel.AdamW:
      return adamw(args, begin, end);
    case Kernel.SumOfSquares:
      return sumOfSquares(args);
    case Kernel.Dropout:
      return dropout(args, begin, end);
  }
}
