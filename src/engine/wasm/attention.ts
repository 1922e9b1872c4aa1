// The attention kernels: over whole sequences, its gradient, and over a cache.

import type { tf } from '../tf';
import { Kernel } from './assembly/kernels';
import { addresses, attributes, type Attributes, input, type Inputs, matrix } from './inputs';
import { address, type Machine, output } from './machine';

/** Queries of a block, as in assembly/attention.ts. */
const QUERIES = 32;

/** Bytes of `blocks` blocks of scores of up to `keys` keys. */
const scoreBytes = (keys: number, blocks: number): number => 4 * QUERIES * (Math.ceil(keys / 4) * 4) * blocks;

export function attention(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const [batch, heads, window] = attributes(attrs, 'batch', 'heads', 'window') as [number, number, number];
  const [rows, width] = matrix(inputs, 'q');
  const T = rows / batch;
  const out = output([rows, width]);
  const lse = output([batch * heads, T]);
  machine.run({
    kernel: Kernel.Attention,
    floats: attributes(attrs, 'scale'),
    integers: [
      ...[...addresses(inputs, 'q', 'k', 'v', 'segments'), address(out), address(lse)],
      ...[T, heads, width / heads, window, T, 0],
    ],
    units: batch * heads,
    scratch: scoreBytes(T, 1),
  });
  return [out, lse];
}

export function attentionGrad(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const [batch, heads, window] = attributes(attrs, 'batch', 'heads', 'window') as [number, number, number];
  const [rows, width] = matrix(inputs, 'q');
  const T = rows / batch;
  const grads = [0, 1, 2].map(() => output([rows, width]));
  machine.run({
    kernel: Kernel.AttentionGrad,
    floats: attributes(attrs, 'scale'),
    integers: [
      ...addresses(inputs, 'q', 'k', 'v', 'segments', 'out', 'lse', 'dy'),
      ...[...grads.map(address), T, heads, width / heads, window],
    ],
    units: batch * heads,
    scratch: scoreBytes(T, 2),
  });
  return grads;
}

export function cachedAttention(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [batch, heads, window, start] = attributes(attrs, 'batch', 'heads', 'window', 'start');
  const [rows, width] = matrix(inputs, 'q');
  const slots = input(inputs, 'kCache').shape[1]!;
  const out = output([rows, width]);
  machine.run({
    kernel: Kernel.Attention,
    floats: attributes(attrs, 'scale'),
    integers: [
      ...[...addresses(inputs, 'q', 'kCache', 'vCache', 'segments'), address(out), 0],
      ...[rows / batch!, heads!, width / heads!, window!, slots, start!],
    ],
    units: batch! * heads!,
    scratch: scoreBytes(slots, 1),
  });
  return out;
}
