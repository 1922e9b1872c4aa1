// What Llama's blocks have and GPT's do not, besides RMSNorm: rotary positions and the gate of the MLP.

import rotarySource from '../ops/rotary.wgsl?raw';
import swigluSource from '../ops/swiglu.wgsl?raw';
import type { tf } from '../tf';
import { dispatch, line, output, size } from './dispatch';

type Inputs<Names extends string> = Record<Names, tf.TensorInfo>;

/** x [N, H·D], cos and sin [N, R/2] → [N, H·D]. */
export function rotaryKernel(
  { x, cos, sin }: Inputs<'x' | 'cos' | 'sin'>,
  { heads, sign }: { heads: number; sign: number },
): tf.TensorInfo {
  const [, width = 0] = x.shape;
  const result = output(x.shape);
  dispatch({
    name: 'rotary',
    source: rotarySource,
    writes: [result],
    reads: [x, cos, sin],
    integers: [size(x), width, width / heads, cos.shape[1] ?? 0],
    floats: [sign],
    groups: line(Math.ceil(size(x) / 64)),
  });
  return result;
}

/** x (the gate) and up, of one shape. */
export function swigluKernel({ x, up }: Inputs<'x' | 'up'>): tf.TensorInfo {
  const result = output(x.shape);
  gate(false, [result], [x, up]);
  return result;
}

/** → dGate, dUp. */
export function swigluGradKernel({ x, up, dy }: Inputs<'x' | 'up' | 'dy'>): tf.TensorInfo[] {
  const results = [output(x.shape), output(x.shape)];
  gate(true, results, [x, up, dy]);
  return results;
}

function gate(grad: boolean, writes: tf.TensorInfo[], reads: [tf.TensorInfo, ...tf.TensorInfo[]]): void {
  const elements = size(reads[0]);
  dispatch({
    name: 'swiglu',
    source: swigluSource,
    values: { GRAD: grad },
    writes,
    reads,
    integers: [elements],
    groups: line(Math.ceil(elements / 64)),
  });
}
