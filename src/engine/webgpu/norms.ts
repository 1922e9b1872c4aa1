// Norms: rows that are each added up by a workgroup or, on a software adapter, where a barrier costs more than the work it
// shares, by one invocation.

import layerNormSource from '../ops/layer-norm.wgsl?raw';
import rmsNormSource from '../ops/rms-norm.wgsl?raw';
import rowSums from '../ops/row-sums.wgsl?raw';
import type { tf } from '../tf';
import { adapterTraits } from './adapter';
import { dispatch, line, output } from './dispatch';

type Inputs<Names extends string> = Record<Names, tf.TensorInfo>;
type Eps = { eps: number };

/** x [N, C], gamma and beta [C] → [N, C]. */
export const layerNormKernel = ({ x, gamma, beta }: Inputs<'x' | 'gamma' | 'beta'>, { eps }: Eps) =>
  normalise('layer-norm', false, [x, gamma, beta], eps);

/** → dx [N, C], plus `add`. */
export const layerNormGradKernel = (
  { x, gamma, dy, add }: Inputs<'x' | 'gamma' | 'dy'> & { add?: tf.TensorInfo },
  { eps }: Eps,
) => normalise('layer-norm', true, add ? [x, gamma, dy, add] : [x, gamma, dy], eps);

/** x [N, C], gamma [C] → [N, C]. */
export const rmsNormKernel = ({ x, gamma }: Inputs<'x' | 'gamma'>, { eps }: Eps) =>
  normalise('rms-norm', false, [x, gamma], eps);

/** → dx [N, C], plus `add`. */
export const rmsNormGradKernel = (
  { x, gamma, dy, add }: Inputs<'x' | 'gamma' | 'dy'> & { add?: tf.TensorInfo },
  { eps }: Eps,
) => normalise('rms-norm', true, add ? [x, gamma, dy, add] : [x, gamma, dy], eps);

/** How row-sums.wgsl gives rows to invocations, ROWS a workgroup. */
export function rowLayout() {
  const ALONE = adapterTraits().software;
  return { ALONE, ROWS: ALONE ? 16 : 1, ROW_SUMS: rowSums };
}

const KINDS = {
  'layer-norm': { source: layerNormSource, PHASES: 3 },
  'rms-norm': { source: rmsNormSource, PHASES: 1 },
};

function normalise(
  name: keyof typeof KINDS,
  GRAD: boolean,
  reads: [x: tf.TensorInfo, ...more: tf.TensorInfo[]],
  eps: number,
): tf.TensorInfo {
  const [N = 0, C = 0] = reads[0].shape;
  const { source, PHASES } = KINDS[name];
  const layout = rowLayout();
  const result = output([N, C]);
  dispatch({
    name,
    source,
    values: { ...layout, GRAD, ADD: reads.length > 3, PHASES },
    key: [GRAD, reads.length, layout.ALONE].join(),
    writes: [result],
    reads,
    integers: [N, C],
    floats: [eps],
    groups: line(Math.ceil(N / layout.ROWS)),
  });
  return result;
}
