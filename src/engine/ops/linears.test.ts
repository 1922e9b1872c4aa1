// The gradients of linear layers, written by hand, against those that tfjs finds in the same composed of its own ops:
// with and without LoRA and bias, either layout, dropout before A, a residual, GELU before and after.
import { beforeAll, describe, expect, it } from 'vitest';
import { normals } from '../random';
import { tf } from '../tf';
import { forkLayerNorm, forkRmsNorm } from './fork';
import { geluReference } from './gelu';
import { layerNorm } from './layer-norm';
import { type Activated, linear, linearGelu, type LinearLayer, linears } from './linears';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const N = 5;
const random = (name: string, ...shape: number[]): tf.Tensor2D =>
  tf.tensor<tf.Rank.R2>(normals(tf.util.sizeFromShape(shape), name), shape as [number, number]);

/** Inputs of a layer by name; those with `lora` and `from` in it where they are wanted. */
function inputsOf(name: string, inputs: number, outputs: number, kind: { fan?: boolean; lora?: boolean }) {
  const weight = kind.fan ? random(`${name}w`, inputs, outputs) : random(`${name}w`, outputs, inputs);
  const bias = random(`${name}b`, outputs);
  if (!kind.lora) return [weight, bias];
  return [weight, bias, random(`${name}A`, 3, inputs), random(`${name}B`, outputs, 3)];
}

const layer = ([weight, bias, A, B]: tf.Tensor[], fanInFanOut: boolean, from?: tf.Tensor2D): LinearLayer => ({
  weight: weight as tf.Tensor2D,
  bias,
  fanInFanOut,
  lora: A && B ? { A: A as tf.Tensor2D, B: B as tf.Tensor2D, scale: 0.7, from } : undefined,
});

/** The same of tfjs's own ops. */
function plain(x: tf.Tensor, { weight, fanInFanOut, bias, lora }: LinearLayer): tf.Tensor {
  const base = tf.matMul(x, weight as tf.Tensor2D, false, !fanInFanOut);
  const y = bias ? tf.add(base, bias) : base;
  if (!lora) return y;
  const { A, B, scale, from = x } = lora;
  return tf.add(y, tf.mul(tf.matMul(tf.matMul(from, A, false, true), B, false, true), scale));
}

/** Values and all gradients of two functions of the same inputs agree. */
function agree(inputs: tf.Tensor[], ours: (xs: tf.Tensor[]) => tf.Tensor[], theirs: typeof ours): void {
  const loss =
    (f: typeof ours) =>
    (...xs: tf.Tensor[]): tf.Scalar =>
      tf.addN<tf.Scalar>(f(xs).map((y, i) => tf.sum(tf.mul(y, random(`dy${i}`, ...y.shape)))));
  const [a, b] = [ours, theirs].map((f) => tf.valueAndGrads(loss(f))(inputs)) as [
    { value: tf.Tensor; grads: tf.Tensor[] },
    { value: tf.Tensor; grads: tf.Tensor[] },
  ];
  const values = (of: typeof a) => [of.value, ...of.grads].map((x) => Array.from(x.dataSync()));
  const expected = values(b);
  values(a).forEach((list, i) =>
    list.forEach((value, k) => expect(value, `${i}, ${k}`).toBeCloseTo(expected[i]![k]!, 3)),
  );
}

describe('linear layers', () => {
  it.each([false, true])('several of one input, some with LoRA; fan_in_fan_out %s', (fan) => {
    const given = [false, true, true].map((lora, i) => inputsOf(`${i}`, 6, 4 + i, { fan, lora }));
    const sizes = given.map(({ length }) => length);
    const cut = (xs: tf.Tensor[]) => {
      const rest = xs.slice(1);
      return sizes.map((size) => layer(rest.splice(0, size), fan));
    };
    agree(
      [random('x', N, 6), ...given.flat()],
      (xs) => linears(xs[0] as tf.Tensor2D, cut(xs)),
      (xs) => cut(xs).map((one) => plain(xs[0]!, one)),
    );
  });

  it('one with a residual, and A reading something else than x', () => {
    const inputs = [
      random('x', N, 6),
      random('r', N, 4),
      random('f', N, 6),
      ...inputsOf('l', 6, 4, { lora: true }),
    ];
    const of = ([, , from, ...rest]: tf.Tensor[]) => layer(rest, false, from as tf.Tensor2D);
    agree(
      inputs,
      (xs) => [linear(xs[0] as tf.Tensor2D, of(xs), xs[1] as tf.Tensor2D)],
      (xs) => [tf.add(plain(xs[0]!, of(xs)), xs[1]!)],
    );
  });

  it.each([true, false])('an MLP with GELU between its two; LoRA %s', (lora) => {
    const [fc, proj] = [inputsOf('fc', 6, 8, { lora }), inputsOf('proj', 8, 6, { lora })];
    const both = (xs: tf.Tensor[]) =>
      [layer(xs.slice(1, 1 + fc.length), false), layer(xs.slice(1 + fc.length), false)] as const;
    agree(
      [random('x', N, 6), ...fc, ...proj],
      (xs) => {
        const [first, second] = both(xs);
        const inner: Activated = linearGelu(xs[0] as tf.Tensor2D, first);
        return [linear(inner, second, xs[0] as tf.Tensor2D)];
      },
      (xs) => {
        const [first, second] = both(xs);
        return [tf.add(plain(geluReference(plain(xs[0]!, first) as tf.Tensor2D), second), xs[0]!)];
      },
    );
  });

  it('leave no tensor behind', () => {
    const inputs = [random('x', N, 6), ...inputsOf('l', 6, 4, { lora: true })];
    const before = tf.memory().numTensors;
    const f = (...xs: tf.Tensor[]) => tf.sum(linear(xs[0] as tf.Tensor2D, layer(xs.slice(1), false)));
    tf.dispose(tf.grads(f)(inputs));
    expect(tf.memory().numTensors).toBe(before);
  });
});

it('a fork gives the norm and what goes past it', () => {
  const x = random('x', N, 6);
  const [gamma, beta] = [random('g', 6), random('b', 6)];
  const { normed, past } = forkLayerNorm(x, gamma, beta, 0.1);
  expect(normed.dataSync()).toEqual(layerNorm(x, gamma, beta, 0.1).dataSync());
  expect(past.dataSync()).toEqual(x.dataSync());
  expect(forkRmsNorm(x, gamma, 0.1).past.dataSync()).toEqual(x.dataSync());
});
