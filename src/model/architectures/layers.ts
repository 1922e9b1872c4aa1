// The layers that every architecture is made of, bound to a model's weights and to the adapter of one pass.

import { checkpoint } from '../../engine/checkpoint';
import { forkLayerNorm, forkRmsNorm } from '../../engine/ops/fork';
import { gatherRows } from '../../engine/ops/gather-rows';
import { layerNorm } from '../../engine/ops/layer-norm';
import type { Activated } from '../../engine/ops/linears';
import { placeRows } from '../../engine/ops/place-rows';
import { rmsNorm } from '../../engine/ops/rms-norm';
import type { tf } from '../../engine/tf';
import { adaptedLinear, adaptedLinearGelu, adaptedLinears } from '../adapted';
import { parameter } from '../lora';
import type { ForwardInput, LanguageModel } from '../types';

/**
 * The blocks one after the other, x [N, C] → [N, C]. Each in a tidy of its own: what no gradient needs is freed there
 * rather than at the end of the pass.
 */
export function runBlocks(
  { config, gradientCheckpointing }: LanguageModel,
  { adapter }: ForwardInput,
  block: (i: number, x: tf.Tensor2D) => tf.Tensor2D,
  x: tf.Tensor2D,
): tf.Tensor2D {
  const trained = Array.from({ length: config.layers }, (): tf.Tensor[] => []);
  if (gradientCheckpointing) {
    for (const [name, variable] of adapter?.variables ?? []) {
      const layer = /\.(?:h|layers)\.(\d+)\./.exec(name)?.[1];
      if (layer !== undefined) trained[Number(layer)]?.push(variable);
    }
  }
  const first = trained.findIndex(({ length }) => length > 0);
  const embeddings = adapter?.settings.use_peft === false;
  for (let i = 0; i < config.layers; i++) {
    const given = x;
    // Before the first adapted block nothing leads to what is trained, unless the embeddings are.
    const inputs =
      first < 0 || i < first ? [] : i === first && !embeddings ? trained[i]! : [given, ...trained[i]!];
    x = checkpoint((y) => block(i, y), given, inputs);
  }
  return x;
}

/** x [N, C] unless said; names are those of the parameters without `.weight` and `.bias`. */
export function layersOf(model: LanguageModel, input: ForwardInput) {
  const { epsilon, layers } = model.config;
  const weight = (name: string): tf.Tensor => parameter(model, input.adapter, name) as tf.Tensor;
  return {
    /** ids → [N, C]. */
    embed: (name: string, which = input.ids) => gatherRows(weight(`${name}.weight`) as tf.Tensor2D, which),
    /** x [N, in] → [N, out], with the adapter's part if it has one for this layer, plus `add`. */
    linear: (name: string, x: tf.Tensor2D | Activated, add?: tf.Tensor2D) =>
      adaptedLinear(model, input, name, x, add),
    /** The same of several layers at once. */
    linears: (names: string[], x: tf.Tensor2D) => adaptedLinears(model, input, names, x),
    /** A linear layer and GELU of it, for `linear`. */
    linearGelu: (name: string, x: tf.Tensor2D) => adaptedLinearGelu(model, input, name, x),
    layerNorm: (name: string, x: tf.Tensor2D) =>
      layerNorm(x, weight(`${name}.weight`), weight(`${name}.bias`), epsilon),
    rmsNorm: (name: string, x: tf.Tensor2D) => rmsNorm(x, weight(`${name}.weight`), epsilon),
    /** What block i goes on with after attention: of the last one the rows that are read, of the others all of x. */
    onward: (i: number, x: tf.Tensor2D) => (input.rows && i + 1 === layers ? placeRows(x, input.rows) : x),
    /** x normed, and x that goes past to be added to what is made of it. */
    forkLayerNorm: (name: string, x: tf.Tensor2D) =>
      forkLayerNorm(x, weight(`${name}.weight`), weight(`${name}.bias`), epsilon),
    forkRmsNorm: (name: string, x: tf.Tensor2D) => forkRmsNorm(x, weight(`${name}.weight`), epsilon),
  };
}
