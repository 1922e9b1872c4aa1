// The small kernels: AdamW, dropout, GELU, LayerNorm, the cache write, the deterministic scatter and the sum of squares.

import adamwSource from '../ops/adamw.wgsl?raw';
import type { AdamwOptions } from '../ops/adamw';
import cacheWriteSource from '../ops/cache-write.wgsl?raw';
import dropoutSource from '../ops/dropout.wgsl?raw';
import geluSource from '../ops/gelu.wgsl?raw';
import layerNormSource from '../ops/layer-norm.wgsl?raw';
import scatterLinksSource from '../ops/scatter-links.wgsl?raw';
import scatterRowsSource from '../ops/scatter-rows.wgsl?raw';
import sumOfSquaresSource from '../ops/sum-of-squares.wgsl?raw';
import type { tf } from '../tf';
import { dispatch, line, output, release, size } from './dispatch';

type Inputs<Names extends string> = Record<Names, tf.TensorInfo>;

/** Workgroups of 64 for one invocation an element. */
const each = (elements: number) => line(Math.ceil(elements / 64));

/** In place: param, m and v, all of grad's shape. */
export function adamwKernel(
  { param, grad, m, v }: Inputs<'param' | 'grad' | 'm' | 'v'>,
  { learningRate, beta1, beta2, eps, weightDecay, step, gradScale }: AdamwOptions,
): tf.TensorInfo[] {
  const elements = size(param);
  dispatch({
    name: 'adamw',
    source: adamwSource,
    writes: [param, m, v],
    reads: [grad],
    integers: [elements],
    floats: [
      gradScale,
      beta1,
      1 - beta1,
      beta2,
      1 - beta2,
      1 - learningRate * weightDecay,
      learningRate,
      1 - beta1 ** step,
      1 - beta2 ** step,
      eps,
    ],
    groups: each(elements),
  });
  return [];
}

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

/** Σ x², a scalar. */
export function sumOfSquaresKernel({ x }: Inputs<'x'>): tf.TensorInfo {
  const elements = size(x);
  const result = output([]);
  const groups = Math.min(256, Math.ceil(elements / 1024));
  const parts = output([groups]);
  const pass = { name: 'sum-of-squares', source: sumOfSquaresSource };
  dispatch({
    ...pass,
    values: { SQUARE: true },
    writes: [parts],
    reads: [x],
    integers: [elements, Math.ceil(elements / groups)],
    groups: [groups],
  });
  dispatch({
    ...pass,
    values: { SQUARE: false },
    writes: [result],
    reads: [parts],
    integers: [groups, groups],
    groups: [1],
  });
  release(parts);
  return result;
}

/** Elementwise, any shape. */
export function geluKernel({ x }: Inputs<'x'>): tf.TensorInfo {
  return elementwise({ name: 'gelu', source: geluSource, values: { GRAD: false } }, [x]);
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
  return elementwise({ name: 'gelu', source: geluSource, values: { GRAD: true } }, [x, dy]);
}

function elementwise(
  shader: { name: string; source: string; values: Record<string, boolean> },
  reads: [tf.TensorInfo, ...tf.TensorInfo[]],
): tf.TensorInfo {
  const result = output(reads[0].shape);
  const elements = size(result);
  dispatch({ ...shader, writes: [result], reads, integers: [elements], groups: each(elements) });
  return result;
}

/** x [N, C], gamma [C], beta [C] → [N, C]. */
export function layerNormKernel(
  { x, gamma, beta }: Inputs<'x' | 'gamma' | 'beta'>,
  { eps }: { eps: number },
): tf.TensorInfo {
  return normalise(false, x, gamma, beta, eps);
}

/** → dx [N, C]. */
export function layerNormGradKernel(
  { x, gamma, dy }: Inputs<'x' | 'gamma' | 'dy'>,
  { eps }: { eps: number },
): tf.TensorInfo {
  return normalise(true, x, gamma, dy, eps);
}

function normalise(grad: boolean, x: tf.TensorInfo, gamma: tf.TensorInfo, other: tf.TensorInfo, eps: number) {
  const [N = 0, C = 0] = x.shape;
  const result = output([N, C]);
  dispatch({
    name: 'layer-norm',
    source: layerNormSource,
    values: { GRAD: grad },
    writes: [result],
    reads: [x, gamma, other],
    integers: [N, C],
    floats: [eps],
    groups: line(N),
  });
  return result;
}
