// What an optimizer does to all parameters at once. They are copied end to end and back, which costs less than a
// dispatch for each: a training step of a small model is bound by the number of its commands.

import adamwSource from '../ops/adamw.wgsl?raw';
import type { AdamwOptions } from '../ops/adamw';
import sumOfSquaresSource from '../ops/sum-of-squares.wgsl?raw';
import type { tf } from '../tf';
import { copyParts, dispatch, line, output, type Part, release, size } from './dispatch';

/** → [P]: all elements in order. */
export function flattenKernel(_: object, { tensors }: { tensors: readonly tf.TensorInfo[] }): tf.TensorInfo {
  const flat = output([tensors.reduce((sum, tensor) => sum + size(tensor), 0)]);
  copyParts(places(tensors, flat).map(([from, to]) => ({ from, to })));
  return flat;
}

/** Each tensor and its place in the flat one. */
function places(tensors: readonly tf.TensorInfo[], flat: tf.TensorInfo): [Part, Part][] {
  let first = 0;
  return tensors.map((tensor) => {
    const count = size(tensor);
    first += count;
    return [
      { tensor, first: 0, count },
      { tensor: flat, first: first - count, count },
    ];
  });
}

/** In place: params, and m and v [P] of grad's size. */
export function adamwKernel(
  { grad, m, v, squares }: Record<'grad' | 'm' | 'v' | 'squares', tf.TensorInfo>,
  {
    params,
    learningRate,
    beta1,
    beta2,
    eps,
    weightDecay,
    step,
    limit,
  }: AdamwOptions & { params: readonly tf.TensorInfo[] },
): tf.TensorInfo[] {
  const elements = size(m);
  const flat = params.length > 1 ? flattenKernel({}, { tensors: params }) : params[0]!;
  dispatch({
    name: 'adamw',
    source: adamwSource,
    writes: [flat, m, v],
    reads: [grad, squares],
    integers: [elements],
    floats: [
      limit,
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
    groups: line(Math.ceil(elements / 64)),
  });
  if (params.length > 1) {
    copyParts(places(params, flat).map(([to, from]) => ({ from, to })));
    release(flat);
  }
  return [];
}

/** Σ x², a scalar. */
export function sumOfSquaresKernel({ x }: { x: tf.TensorInfo }): tf.TensorInfo {
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
