// The kernels by number, one table for both sides: AssemblyScript and TypeScript read this file.

export enum Kernel {
  MatMul,
  LayerNorm,
  LayerNormGrad,
  Gelu,
  GeluGrad,
  Attention,
  AttentionGrad,
  TokenLogprobs,
  TokenLogprobsGrad,
  Sample,
  GatherRows,
  ScatterRows,
  CacheWrite,
  AdamW,
  SumOfSquares,
  Dropout,
}
