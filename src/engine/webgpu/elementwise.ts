// The small kernels: dropout, GELU, the cache write, gather and its deterministic adjoints.

import cacheWriteSource from '../ops/cache-write.wgsl?raw';
import dropoutSource from '../ops/dropout.wgsl?raw';
import gatherRowsSource from '../ops/gather-rows.wgsl?raw';
import geluFunctions from '../ops/gelu-functions.wgsl?raw';
import geluSource from '../ops/gelu.wgsl?raw';
import scatterLinksSource from '../ops/scatter-links.wgsl?raw';
import scatterRowsSource from '../ops/scatter-rows.wgsl?raw';
import sumRowsSource from '../ops/sum-rows.wgsl?raw';
import type { tf } from '../tf';
import { dispatch, line, output, release, size } from './dispatch';
import type { Values } from './template';

type Inputs<Names extends string> = Record<Names, tf.TensorInfo>;

/** Workgroups of 64 for one invocation an element. */
const each = (elements: number) => line(Math.ceil(elements / 64));

/** In place: x [B·t, C] into cache [B, S, C] from slot `start`. */
export function cacheWriteKernel(
  { cache, x }: Inputs<'cache' | 'x'>,
  { start }: { start: number },
): tf.TensorInfo[] {
  const [batch = 1, slots = 0, C = 0] = cache.shape;
  dispatch({
    name: 'cache-write',
    source: cacheWriteSource,
    writes: [cache],
    reads: [x],
    integers: [size(x), (x.shape[0] ?? 0) / batch, C, slots, start],
    groups: each(size(x)),
  });
  return [];
}

/** table [rows, C], ids int32 [N] → [N, C]. */
export function gatherRowsKernel({ table, ids }: Inputs<'table' | 'ids'>): tf.TensorInfo {
  const [rows = 0, C = 0] = table.shape;
  const elements = size(ids) * C;
  const result = output([size(ids), C]);
  dispatch({
    name: 'gather-rows',
    source: gatherRowsSource,
    writes: [result],
    reads: [table, ids],
    integers: [elements, C, rows],
    groups: each(elements),
  });
  return result;
}

/** x [N, C], ids int32 [N] → [rows, C]. */
export function scatterRowsKernel(
  { x, ids }: Inputs<'x' | 'ids'>,
  { rows }: { rows: number },
): tf.TensorInfo {
  const [N = 0, C = 0] = x.shape;
  const links = output([N, 2], 'int32');
  const result = output([rows, C]);
  dispatch({
    name: 'scatter-links',
    source: scatterLinksSource,
    writes: [links],
    reads: [ids],
    integers: [N],
    groups: each(N),
  });
  const passes = { name: 'scatter-rows', source: scatterRowsSource, writes: [result] };
  dispatch({
    ...passes,
    values: { CLEAR: true },
    reads: [],
    integers: [rows * C, N, C],
    groups: each(rows * C),
  });
  dispatch({
    ...passes,
    values: { CLEAR: false },
    reads: [x, ids, links],
    integers: [N * C, N, C],
    groups: each(N * C),
  });
  release(links);
  return result;
}

/** x [N, C], starts int32 [rows + 1], places int32 → [rows, C]. */
export function sumRowsKernel({ x, starts, places }: Inputs<'x' | 'starts' | 'places'>): tf.TensorInfo {
  const C = x.shape[1] ?? 0;
  const result = output([size(starts) - 1, C]);
  const elements = size(result);
  dispatch({
    name: 'sum-rows',
    source: sumRowsSource,
    writes: [result],
    reads: [x, starts, places],
    integers: [elements, C],
    groups: each(elements),
  });
  return result;
}

/** Elementwise, any shape. */
export function geluKernel({ x }: Inputs<'x'>): tf.TensorInfo {
  return elementwise(
    { name: 'gelu', source: geluSource, values: { GRAD: false, T: 'f32', GELU: geluFunctions } },
    [x],
  );
}

/** Any shape; `threshold` of 2²⁴ is all. */
export function dropoutKernel(
  { x }: Inputs<'x'>,
  { key, threshold, scale }: { key: number; threshold: number; scale: number },
): tf.TensorInfo {
  const result = output(x.shape);
  const elements = size(result);
  dispatch({
    name: 'dropout',
    source: dropoutSource,
    writes: [result],
    reads: [x],
    integers: [elements, key, threshold],
    floats: [scale],
    groups: each(elements),
  });
  return result;
}

export function geluGradKernel({ x, dy }: Inputs<'x' | 'dy'>): tf.TensorInfo {
  return elementwise(
    { name: 'gelu', source: geluSource, values: { GRAD: true, T: 'f32', GELU: geluFunctions } },
    [x, dy],
  );
}

function elementwise(
  shader: { name: string; source: string; values: Values },
  reads: [tf.TensorInfo, ...tf.TensorInfo[]],
): tf.TensorInfo {
  const result = output(reads[0].shape);
  const elements = size(result);
  dispatch({ ...shader, writes: [result], reads, integers: [elements], groups: each(elements) });
  return result;
}
