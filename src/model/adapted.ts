// Linear layers as an adapter sees them: the base's weight, the low-rank change of LoRA beside it, and DoRA's gain.

import { dropout } from '../engine/ops/dropout';
import { gelu } from '../engine/ops/gelu';
import { type Activated, linear, linearGelu, linears, type LinearLayer } from '../engine/ops/linears';
import { hash32 } from '../engine/random';
import { tf } from '../engine/tf';
import { gain } from './dora';
import { parameter } from './lora';
import type { ForwardInput, LanguageModel } from './types';

type Input = Pick<ForwardInput, 'adapter' | 'dropout' | 'gains'>;

/** The layer `name`, x [N, in] → [N, out]; plus `add` [N, out]. */
export function adaptedLinear(
  model: LanguageModel,
  input: Input,
  name: string,
  x: tf.Tensor2D | Activated,
  add?: tf.Tensor2D,
): tf.Tensor2D {
  const layer = layerOf(model, input, name, x);
  const g = gainOf(model, input, name);
  if (!g) return linear(x, layer, add);
  const y = stretch(linear(x, layer), layer, g);
  return add ? tf.add(add, y) : y;
}

/** The layer `name` and GELU of it, x [N, in] → [N, out]. */
export function adaptedLinearGelu(
  model: LanguageModel,
  input: Input,
  name: string,
  x: tf.Tensor2D,
): Activated {
  const layer = layerOf(model, input, name, x);
  const g = gainOf(model, input, name);
  if (!g) return linearGelu(x, layer);
  const before = stretch(linear(x, layer), layer, g);
  return { before, after: gelu(before) };
}

/** Layers that read the same x [N, in] → [N, out] each. */
export function adaptedLinears(
  model: LanguageModel,
  input: Input,
  names: readonly string[],
  x: tf.Tensor2D,
): tf.Tensor2D[] {
  const layers = names.map((name) => layerOf(model, input, name, x));
  return linears(x, layers).map((y, i) => {
    const g = gainOf(model, input, names[i]!);
    return g ? stretch(y, layers[i]!, g) : y;
  });
}

function layerOf(
  model: LanguageModel,
  { adapter, dropout: seed }: Input,
  name: string,
  x: tf.Tensor2D | Activated,
): LinearLayer {
  const A = adapter?.variables.get(`${name}.lora_A.weight`) as tf.Tensor2D | undefined; // [r, in]
  const B = adapter?.variables.get(`${name}.lora_B.weight`) as tf.Tensor2D | undefined; // [out, r]
  const p = adapter?.settings.lora_dropout ?? 0;
  const read = x instanceof tf.Tensor ? x : x.after;
  const from = A && seed !== null && p > 0 ? dropout(read, p, hash32(seed, 'dropout', name)) : undefined;
  return {
    weight:
      model.packed?.get(`${name}.weight`) ?? (parameter(model, adapter, `${name}.weight`) as tf.Tensor2D),
    fanInFanOut: model.architecture.fanInFanOut === true,
    bias: parameter(model, adapter, `${name}.bias`),
    lora: adapter && A && B ? { A, B, scale: adapter.scaling, from } : undefined,
  };
}

const gainOf = (model: LanguageModel, { adapter, gains }: Input, name: string): tf.Tensor1D | null =>
  gains?.get(name) ?? (adapter && gain(model, adapter, name));

/** g·(W + s·B·A)·x + b of y = (W + s·B·A)·x + b, written so that g = 1 leaves it as it is to the bit. */
function stretch(y: tf.Tensor2D, { bias }: LinearLayer, g: tf.Tensor1D): tf.Tensor2D {
  const stretched = tf.mul<tf.Tensor2D>(y, g); // [N, out]
  return bias ? tf.sub(stretched, tf.mul(tf.sub(g, 1), bias)) : stretched;
}
