// The layers that every architecture is made of, bound to a model's weights and to the adapter of one pass.

import { gatherRows } from '../../engine/ops/gather-rows';
import { layerNorm } from '../../engine/ops/layer-norm';
import { rmsNorm } from '../../engine/ops/rms-norm';
import type { tf } from '../../engine/tf';
import { adaptedLinear } from '../lora';
import type { ForwardInput, LanguageModel } from '../types';

/** x [N, C] unless said; names are those of the parameters without `.weight` and `.bias`. */
export function layersOf(model: LanguageModel, { adapter, ids, dropout }: ForwardInput) {
  const { epsilon } = model.config;
  const weight = (name: string): tf.Tensor => model.weights.get(name) as tf.Tensor;
  return {
    /** ids → [N, C]. */
    embed: (name: string, which = ids) => gatherRows(weight(`${name}.weight`) as tf.Tensor2D, which),
    /** x [N, in] → [N, out], with the adapter's part if it has one for this layer. */
    linear: (name: string, x: tf.Tensor2D) => adaptedLinear(model, adapter, name, x, dropout),
    layerNorm: (name: string, x: tf.Tensor2D) =>
      layerNorm(x, weight(`${name}.weight`), weight(`${name}.bias`), epsilon),
    rmsNorm: (name: string, x: tf.Tensor2D) => rmsNorm(x, weight(`${name}.weight`), epsilon),
  };
}
