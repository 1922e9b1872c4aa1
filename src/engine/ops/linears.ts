// Linear layers that read the same input, each with its LoRA, as one op: x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ. What the input is told
// backward comes from all of them as one sum, nothing is computed for frozen weights, packed weights are read as they
// lie, and a residual or a GELU before or after costs no pass of its own.

import { recordOp } from '../private';
import { tf } from '../tf';
import { type Matrix, products, type Term } from './products';

interface LowRank {
  /** [r, in] */
  A: tf.Tensor2D;
  /** [out, r] */
  B: tf.Tensor2D;
  scale: number;
  /** What A reads instead of x: x after dropout. */
  from?: tf.Tensor2D | undefined;
}

export interface LinearLayer {
  /** [out, in]; [in, out] where `fanInFanOut`. */
  weight: Matrix;
  fanInFanOut: boolean;
  /** [out] */
  bias?: tf.Tensor | undefined;
  lora?: LowRank | undefined;
}

/** A tensor and GELU of it: the layer after a GELU reads the one and tells its gradient to the other. */
export interface Activated {
  before: tf.Tensor2D;
  after: tf.Tensor2D;
}

/** x [N, in] → each layer's [N, out]. */
export function linears(x: tf.Tensor2D, layers: readonly LinearLayer[]): tf.Tensor2D[] {
  return tf.tidy(() => compute(x, layers, {}).outputs);
}

/** One layer, x [N, in] → [N, out]; plus `add` [N, out]. */
export function linear(x: tf.Tensor2D | Activated, layer: LinearLayer, add?: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => compute(x, [layer], { add }).outputs[0]!);
}

/** One layer and GELU of it. The gradient of `after` is taken by a layer that is given both. */
export function linearGelu(x: tf.Tensor2D, layer: LinearLayer): Activated {
  return tf.tidy(() => {
    const { outputs, after } = compute(x, [layer], { gelu: true });
    return { before: outputs[0]!, after: after! };
  });
}

interface Fused {
  add?: tf.Tensor2D | undefined;
  gelu?: boolean;
}

function compute(given: tf.Tensor2D | Activated, layers: readonly LinearLayer[], { add, gelu }: Fused) {
  const [x, slope] = given instanceof tf.Tensor ? [given, undefined] : [given.after, given.before];
  const adapted = layers.filter(({ lora }) => lora);
  const lowOf = (list: readonly tf.Tensor2D[], layer: LinearLayer) => list[adapted.indexOf(layer)];
  const lows = products(
    adapted.map(({ lora }) => ({
      terms: [{ a: lora!.from ?? x, b: lora!.A, transposeB: true }],
      scale: lora!.scale,
    })),
  ); // [N, r] each
  const [first, ...rest] = products(
    layers.map((layer) => {
      const base: Term = { a: x, b: layer.weight, transposeB: !layer.fanInFanOut };
      const low = lowOf(lows, layer);
      const terms = low ? [base, { a: low, b: layer.lora!.B, transposeB: true }] : [base];
      return { terms, bias: layer.bias, add, gelu };
    }),
  ); // [N, out] each
  const outputs = recordOp({
    inputs: inputsOf(slope ?? x, layers, add),
    outputs: gelu ? [first!] : [first!, ...rest],
    save: [x, ...(slope ? [slope] : []), ...lows, ...adapted.map(({ lora }) => lora!.from ?? x)],
    backward: (dys, saved) => {
      const dy = dys as tf.Tensor2D[]; // [N, out] each
      const of = (layer: LinearLayer) => dy[layers.indexOf(layer)]!;
      const [x, ...more] = saved as [tf.Tensor2D, ...tf.Tensor2D[]];
      const slope = more.length > 2 * adapted.length ? more.shift() : undefined;
      const froms = more.splice(adapted.length);
      // At once, not by need: tfjs gives each gradient below a tidy of its own, which would dispose of the others.
      const down = products(
        adapted.flatMap((layer) => {
          const { B, scale } = layer.lora!;
          return [
            { terms: [{ a: of(layer), b: B }], scale }, // [N, r]
            { terms: [{ a: of(layer), b: lowOf(more, layer)!, transposeA: true }] }, // dB [out, r]
          ];
        }),
      );
      const dLows = adapted.map((_, i) => down[2 * i]!); // [N, r] each
      const dAs = products(
        adapted.map((_, i) => ({ terms: [{ a: dLows[i]!, b: froms[i]!, transposeA: true }] })),
      ); // [r, in] each
      const gradients: Record<string, () => tf.Tensor> = {
        x: () => {
          const terms = layers.flatMap((layer): Term[] => {
            const base = { a: of(layer), b: layer.weight, transposeB: layer.fanInFanOut };
            const { A, from } = layer.lora ?? {};
            return A && !from ? [base, { a: lowOf(dLows, layer)!, b: A }] : [base];
          });
          return products([{ terms, slope }])[0]!; // [N, in]
        },
        add: () => tf.clone(dy[0]!),
      };
      layers.forEach((layer, i) => {
        const [a, b] = layer.fanInFanOut ? [x, dy[i]!] : [dy[i]!, x];
        gradients[`weight${i}`] = () => products([{ terms: [{ a, b, transposeA: true }] }])[0]!;
        gradients[`bias${i}`] = () => tf.sum(dy[i]!, 0);
      });
      adapted.forEach((layer, j) => {
        const i = layers.indexOf(layer);
        gradients[`A${i}`] = () => tf.clone(dAs[j]!);
        gradients[`B${i}`] = () => tf.clone(down[2 * j + 1]!);
        gradients[`from${i}`] = () => products([{ terms: [{ a: dLows[j]!, b: layer.lora!.A }] }])[0]!; // [N, in]
      });
      return gradients;
    },
  });
  return { outputs: outputs as tf.Tensor2D[], after: gelu ? rest[0]! : undefined };
}

/** What a gradient may be wanted of, by the names above. */
function inputsOf(
  x: tf.Tensor2D,
  layers: readonly LinearLayer[],
  add?: tf.Tensor2D,
): Record<string, tf.Tensor> {
  const inputs: Record<string, tf.Tensor> = add ? { x, add } : { x };
  layers.forEach(({ weight, bias, lora }, i) => {
    if (weight instanceof tf.Tensor) inputs[`weight${i}`] = weight;
    if (bias) inputs[`bias${i}`] = bias;
    for (const key of ['A', 'B', 'from'] as const) if (lora?.[key]) inputs[`${key}${i}`] = lora[key];
  });
  return inputs;
}
