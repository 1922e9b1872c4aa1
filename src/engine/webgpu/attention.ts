// Attention forward, backward and over the cache. Heads whose width is a multiple of four are read as vectors.

import deltaSource from '../ops/attention-delta.wgsl?raw';
import gradSource from '../ops/attention-grad.wgsl?raw';
import INPUTS from '../ops/attention-inputs.wgsl?raw';
import splitSource from '../ops/attention-split.wgsl?raw';
import source from '../ops/attention.wgsl?raw';
import type { AttentionOptions } from '../ops/attention';
import type { CachedAttentionOptions } from '../ops/cached-attention';
import type { tf } from '../tf';
import { adapterTraits } from './adapter';
import { dispatch, line, output, release } from './dispatch';

type Inputs<Names extends string> = Record<Names, tf.TensorInfo>;

/** q, k, v [N, H·D], nodes int32 [3N + B·T] → [N, H·D], log-sum-exp [H, N]. */
export function attentionKernel(
  { q, k, v, nodes }: Inputs<'q' | 'k' | 'v' | 'nodes'>,
  { heads, window, scale }: AttentionOptions,
): tf.TensorInfo[] {
  const { N, forward } = layout(q, heads);
  const result = output(q.shape);
  const lse = output([heads, N]);
  dispatch({
    ...forward(true),
    writes: [result, lse],
    reads: [q, k, v, nodes],
    integers: [N, heads, window],
    floats: [scale],
  });
  return [result, lse];
}

/** → dq, dk, dv [N, H·D]. */
export function attentionGradKernel(
  { q, k, v, nodes, out, lse, dy }: Inputs<'q' | 'k' | 'v' | 'nodes' | 'out' | 'lse' | 'dy'>,
  { heads, window, scale }: AttentionOptions,
): tf.TensorInfo[] {
  const { N, values, groups } = layout(q, heads);
  const delta = output([heads, N]);
  dispatch({
    name: 'attention-delta',
    source: deltaSource,
    values: { WIDTH: (q.shape[1] ?? 0) / heads },
    writes: [delta],
    reads: [dy, out],
    integers: [heads * N, N, heads],
    groups,
  });
  const part = (of: 'DQ' | 'DK' | 'DV') => {
    const result = output(q.shape);
    dispatch({
      name: 'attention-grad',
      source: gradSource,
      values: { ...values, DQ: of === 'DQ', DV: of === 'DV' },
      writes: [result],
      reads: [q, k, nodes, lse, dy, ...(of === 'DV' ? [] : [v, delta])],
      integers: [N, heads, window],
      floats: [scale],
      groups,
    });
    return result;
  };
  const grads = [part('DQ'), part('DK'), part('DV')];
  release(delta);
  return grads;
}

/** q [B, H·D], caches [B, S, H·D], segments int32 [B, S] → [B, H·D]. */
export function cachedAttentionKernel(
  { q, kCache, vCache, segments }: Inputs<'q' | 'kCache' | 'vCache' | 'segments'>,
  { heads, window, scale, slot }: CachedAttentionOptions,
): tf.TensorInfo {
  const { N, forward } = layout(q, heads);
  const result = output(q.shape);
  dispatch({
    ...forward(false),
    writes: [result],
    reads: [q, kCache, vCache, segments],
    integers: [N, heads, kCache.shape[1] ?? 0, slot, window],
    floats: [scale],
  });
  return result;
}

/** Invocations that fill a GPU. */
const FULL = 4096;

function layout({ shape }: tf.TensorInfo, heads: number) {
  const [N = 0, width = 0] = shape;
  const ALIGNED = (width / heads) % 4 === 0;
  const D = width / heads / (ALIGNED ? 4 : 1);
  const queries = N * heads;
  const values = { ALIGNED, D };
  const groups = line(Math.ceil(queries / 64));
  // On the processor nothing is gained by many invocations, and a barrier is dear.
  const split = queries < FULL && D <= 64 && !adapterTraits().software;
  const forward = (FOREST: boolean) =>
    split
      ? {
          ...{ name: 'attention-split', source: splitSource },
          ...{ values: { ...values, INPUTS, FOREST, PARTS: Math.floor(64 / D) }, groups: line(queries) },
        }
      : { name: 'attention', source, values: { ...values, INPUTS, FOREST }, groups };
  return { N, values, groups, forward };
}
