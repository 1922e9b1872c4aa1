// What fused linear layers, forks and placed rows compute on each device, forward and gradient, against the same
// functions on tfjs's cpu backend, whose gradients ops/linears.test.ts holds to tfjs's own.
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { flatten } from '../src/engine/ops/flatten';
import { forkLayerNorm, forkRmsNorm } from '../src/engine/ops/fork';
import { linear, linearGelu, type LinearLayer, linears } from '../src/engine/ops/linears';
import { placeRows } from '../src/engine/ops/place-rows';
import { hash32, permutation } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import { DEVICES, extent, hold, property, random, useDevice, withGradients } from './kernels';

type Tensors = tf.Tensor[];

/** Layers out of inputs: weight and bias of each, and A and B where it has LoRA of that rank. */
function layersOf(inputs: Tensors, ranks: readonly number[], fanInFanOut: boolean): LinearLayer[] {
  const rest = [...inputs];
  return ranks.map((rank) => {
    const [weight, bias] = rest.splice(0, 2) as [tf.Tensor2D, tf.Tensor];
    if (rank === 0) return { weight, bias, fanInFanOut };
    const [A, B] = rest.splice(0, 2) as [tf.Tensor2D, tf.Tensor2D];
    return { weight, bias, fanInFanOut, lora: { A, B, scale: 0.5 } };
  });
}

const drawn = (i: number, inputs: number, outputs: number, rank: number, fan: boolean): Tensors => [
  random(fan ? [inputs, outputs] : [outputs, inputs], 'w', i),
  random([outputs], 'b', i),
  ...(rank > 0 ? [random([rank, inputs], 'A', i), random([outputs, rank], 'B', i)] : []),
];

describe.each(DEVICES)('on %s', (device) => {
  useDevice(device);
  const runs = device === 'wasm' ? 6 : 10;

  test('several layers of one input, more than one dispatch can bind', async () => {
    const shapes = fc.record({
      N: extent,
      inputs: extent,
      outputs: extent,
      ranks: fc.array(fc.constantFrom(0, 1, 3, 8), { minLength: 1, maxLength: 5 }),
      fan: fc.boolean(),
    });
    await property(
      shapes,
      ({ N, inputs, outputs, ranks, fan }) =>
        hold(() => {
          const given = ranks.flatMap((rank, i) => drawn(i, inputs, outputs + i, rank, fan));
          const both = (xs: Tensors) =>
            tf.concat(linears(xs[0] as tf.Tensor2D, layersOf(xs.slice(1), ranks, fan)), 1);
          return withGradients((...xs) => both(xs), [random([N, inputs], 'x'), ...given]);
        }, 1e-4),
      runs,
    );
  });

  test.each([
    [70, 64, 256, 8],
    [3, 12, 20, 0],
    [33, 7, 30, 3],
    [300, 16, 264, 4],
  ])('an MLP of %i × %i, %i inside, rank %i: GELU between, past both', async (N, width, inner, rank) => {
    await hold(() => {
      const given = [...drawn(0, width, inner, rank, false), ...drawn(1, inner, width, rank, false)];
      const mlp = (xs: Tensors) => {
        const [fc, proj] = layersOf(xs.slice(1), [rank, rank], false) as [LinearLayer, LinearLayer];
        const x = xs[0] as tf.Tensor2D;
        return linear(linearGelu(x, fc), proj, x);
      };
      return withGradients(
        (...xs) => mlp(xs),
        [random([N, width], 'x'), ...given.map((x) => tf.mul(x, 0.3))],
      );
    }, 1e-4);
  });

  test('forks: the norm, what goes past it, and the gradients of both', async () => {
    for (const [N, C] of [
      [1, 1],
      [5, 6],
      [70, 33],
      [8, 256],
    ] as const) {
      await hold(() => {
        const given = [random([N, C], 'x'), random([C], 'g'), random([C], 'b')] as [
          tf.Tensor2D,
          tf.Tensor,
          tf.Tensor,
        ];
        const joined = ({ normed, past }: ReturnType<typeof forkRmsNorm>) =>
          tf.add(normed, tf.mul(past, 0.3));
        return [
          ...withGradients(
            (x, g, b) => joined(forkLayerNorm(x as tf.Tensor2D, g, b, 0.01)),
            given as Tensors,
          ),
          ...withGradients(
            (x, g) => joined(forkRmsNorm(x as tf.Tensor2D, g, 0.01)),
            given.slice(0, 2) as Tensors,
          ),
        ];
      }, 1e-4);
    }
  });

  test('rows placed elsewhere, and tensors end to end', async () => {
    for (const [rows, C] of [
      [1, 1],
      [7, 5],
      [100, 64],
    ] as const) {
      const from = permutation(rows, C).map((row, n) => (n % 3 === 1 ? -1 : row));
      await hold(() => withGradients((x) => placeRows(x as tf.Tensor2D, from), [random([rows, C], 'x')]));
    }
    // Taken several times, once, never; and none.
    for (const [rows, N, C] of [
      [1, 9, 3],
      [8, 70, 5],
      [40, 33, 64],
      [1100, 1400, 4],
    ] as const) {
      const from = Int32Array.from({ length: N }, (_, n) => (hash32(n, rows) % (rows + 1)) - 1);
      await hold(() => withGradients((x) => placeRows(x as tf.Tensor2D, from), [random([rows, C], 'x')]));
    }
    await hold(() => [flatten([random([3, 5], 'a'), random([1], 'b'), random([2, 2, 7], 'c')])]);
    await hold(() => [flatten([random([3, 5], 'a')])]);
  });
});
