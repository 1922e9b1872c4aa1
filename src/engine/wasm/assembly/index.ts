// Our kernels over tfjs's own memory. Every kernel does units begin … end − 1 of a job whose arguments lie at `args`
// as 32-bit words; which thread does which unit changes no bit of the result. Nothing here may have static data
// (strings, arrays, tables): it would be laid over tfjs's memory.

import { GEMM_SCRATCH, matMul } from './gemm';
import { Kernel } from './kernels';

/** Bytes of scratch every kernel may use besides what its call asks for. */
export function scratchBytes(): usize {
  return GEMM_SCRATCH;
}

export function run(kernel: i32, args: usize, begin: usize, end: usize, scratch: usize): void {
  switch (kernel) {
    case Kernel.MatMul:
      return matMul(args, begin, end, scratch);
  }
}
