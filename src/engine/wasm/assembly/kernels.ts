// The kernels by number, and what a matrix may be packed as: one table for both sides, which AssemblyScript and TypeScript
// read.

export enum Kernel {
  Products,
  LayerNorm,
  LayerNormGrad,
  Gelu,
  GeluGrad,
  Attention,
  AttentionGrad,
  CachedAttention,
  TokenLogprobs,
  TokenLogprobsGrad,
  ScaleRows,
  TokenKl,
  TokenKlGrad,
  Sample,
  GatherRows,
  ScatterRows,
  SumRows,
  CacheWrite,
  Dequantize,
  RmsNorm,
  RmsNormGrad,
  Rotary,
  Swiglu,
  SwigluGrad,
  AdamW,
  SumOfSquares,
  Dropout,
}

export enum Packed {
  Not,
  Float16,
  Int8,
  Nf4,
  Nf4Double,
}
