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

/** q, k, v [B·T, H·D], segments int32 [B, T] → [B·T, H·D], log-sum-exp [B·H, T]. */
export function attentionKernel(
  { q, k, v, segments }: Inputs<'q' | 'k' | 'v' | 'segments'>,
  { batch, heads, window, scale }: AttentionOptions,
): tf.TensorInfo[] {
  const { T, forward } = layout(q, batch, heads);
  const result = output(q.shape);
  const lse = output([batch * heads, T]);
  dispatch({
    ...forward(true),
    writes: [result, lse],
    reads: [q, k, v, segments],
    integers: [batch, heads, T, T, 0, window],
    floats: [scale],
  });
  return [result, lse];
}

/** → dq, dk, dv [B·T, H·D]. */
export function attentionGradKernel(
  { q, k, v, segments, out, lse, dy }: Inputs<'q' | 'k' | 'v' | 'segments' | 'out' | 'lse' | 'dy'>,
  { batch, heads, window, scale }: AttentionOptions,
): tf.TensorInfo[] {
  const { T, values, groups } = layout(q, batch, heads);
  const delta = output([batch * heads, T]);
  dispatch({
    name: 'attention-delta',
    source: deltaSource,
    values: { WIDTH: (q.shape[1] ?? 0) / heads },
    writes: [delta],
    reads: [dy, out],
    integers: [batch * heads * T, heads, T],
    groups,
  });
  const part = (of: 'DQ' | 'DK' | 'DV') => {
    const result = output(q.shape);
    dispatch({
      name: 'attention-grad',
      source: gradSource,
      values: { ...values, DQ: of === 'DQ', DV: of === 'DV' },
      writes: [result],
      reads: [q, k, segments, lse, dy, ...(of === 'DV' ? [] : [v, delta])],
      integers: [batch, heads, T, window],
      floats: [scale],
      groups,
    });
    return result;
  };
  const grads = [part('DQ'), part('DK'), part('DV')];
  release(delta);
  return grads;
}

/** q [B·t, C], caches [B, S, C], segments int32 [B, S] → [B·t, C]. */
export function cachedAttentionKernel(
  { q, kCache, vCache, segments }: Inputs<'q' | 'kCache' | 'vCache' | 'segments'>,
  { batch, heads, window, scale, start }: CachedAttentionOptions,
): tf.TensorInfo {
  const { T, forward } = layout(q, batch, heads);
  const result = output(q.shape);
  dispatch({
    ...forward(false),
    writes: [result],
    reads: [q, kCache, vCache, segments],
    integers: [batch, heads, T, kCache.shape[1] ?? 0, start, window],
    floats: [scale],
  });
  return result;
}

/** Invocations that fill a GPU. */
const FULL = 4096;

function layout({ shape }: tf.TensorInfo, batch: number, heads: number) {
  const [rows = 0, width = 0] = shape;
  const ALIGNED = (width / heads) % 4 === 0;
  const D = width / heads / (ALIGNED ? 4 : 1);
  const queries = rows * heads;
  const values = { ALIGNED, D };
  const groups = line(Math.ceil(queries / 64));
  // On the processor nothing is gained by many invocations, and a barrier is dear.
  const split = queries < FULL && D <= 64 && !adapterTraits().software;
  const forward = (LSE: boolean) =>
    split
      ? {
          ...{ name: 'attention-split', source: splitSource },
          ...{ values: { ...values, INPUTS, LSE, PARTS: Math.floor(64 / D) }, groups: line(queries) },
        }
      : { name: 'attention', source, values: { ...values, INPUTS, LSE }, groups };
  return { T: rows / batch, values, groups, forward };
}
