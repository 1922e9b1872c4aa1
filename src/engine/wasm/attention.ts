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
  const { integers, floats, heads, trees, longest, size } = layout(inputs, attrs);
  const [N, width] = matrix(inputs, 'q');
  const out = output([N, width]);
  const lse = output([heads, N]);
  machine.run({
    kernel: Kernel.Attention,
    floats,
    integers: [...addresses(inputs, 'q', 'k', 'v', 'nodes'), address(out), address(lse), ...integers],
    units: heads * trees,
    scratch: scoreBytes(longest, 1) + 2 * 4 * longest * size,
  });
  return [out, lse];
}

export function attentionGrad(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo[] {
  const { integers, floats, heads, trees, longest, size } = layout(inputs, attrs);
  const grads = [0, 1, 2].map(() => output(matrix(inputs, 'q')));
  machine.run({
    kernel: Kernel.AttentionGrad,
    floats,
    integers: [
      ...addresses(inputs, 'q', 'k', 'v', 'nodes', 'out', 'lse', 'dy'),
      ...[...grads.map(address), ...integers],
    ],
    units: heads * trees,
    scratch: scoreBytes(longest, 2) + 4 * 4 * longest * size,
  });
  return grads;
}

function layout(inputs: Inputs, attrs: Attributes) {
  const names = ['heads', 'window', 'trees', 'longest'] as const;
  const [heads, window, trees, longest] = attributes(attrs, ...names) as [number, number, number, number];
  const [N, width] = matrix(inputs, 'q');
  const size = width / heads;
  const integers = [N, heads, size, window, trees, longest];
  return { integers, floats: attributes(attrs, 'scale'), heads, trees, longest, size };
}

export function cachedAttention(machine: Machine, inputs: Inputs, attrs: Attributes): tf.TensorInfo {
  const [heads, window, slot] = attributes(attrs, 'heads', 'window', 'slot') as [number, number, number];
  const [batch, width] = matrix(inputs, 'q');
  const slots = input(inputs, 'kCache').shape[1]!;
  const out = output([batch, width]);
  machine.run({
    kernel: Kernel.CachedAttention,
    floats: attributes(attrs, 'scale'),
    integers: [
      ...[...addresses(inputs, 'q', 'kCache', 'vCache', 'segments'), address(out)],
      ...[heads, width / heads, window, slots, slot],
    ],
    units: batch * heads,
    scratch: 4 * Math.ceil(slots / 4) * 4,
  });
  return out;
}
