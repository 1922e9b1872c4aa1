// AdamW against a scalar AdamW written out in float64, clipping and accumulation, and no tensor left behind.
import { beforeAll, expect, it } from 'vitest';
import { tf } from '../engine/tf';
import { accumulateGradients, AdamW } from './optimizer';

const settings = {
  adam_beta1: 0.9,
  adam_beta2: 0.99,
  adam_epsilon: 1e-8,
  weight_decay: 0.1,
  max_grad_norm: null,
};

beforeAll(async () => {
  await tf.setBackend('cpu');
});

it('follows AdamW over ten steps', async () => {
  const variables = new Map([['w', tf.variable(tf.tensor1d([1, -2]))]]);
  const optimizer = new AdamW(variables);
  const expected = [1, -2];
  const [m, v] = [
    [0, 0],
    [0, 0],
  ];
  for (let step = 1; step <= 10; step++) {
    const gradient = [Math.sin(step), 3 * Math.cos(step)];
    await optimizer.update([tf.tensor1d(gradient)], 0.05, settings);
    gradient.forEach((g, i) => {
      m[i] = 0.9 * m[i]! + 0.1 * g;
      v[i] = 0.99 * v[i]! + 0.01 * g * g;
      const update = m[i] / (1 - 0.9 ** step) / (Math.sqrt(v[i] / (1 - 0.99 ** step)) + 1e-8);
      expected[i] = expected[i]! * (1 - 0.05 * 0.1) - 0.05 * update;
    });
  }
  const actual = variables.get('w')!.dataSync();
  expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 5));
});

it('clips by the global norm and reports the norm before clipping', async () => {
  const run = async (scale: number, max_grad_norm: number | null) => {
    const variables = new Map([
      ['a', tf.variable(tf.tensor1d([0]))],
      ['b', tf.variable(tf.tensor1d([0]))],
    ]);
    const optimizer = new AdamW(variables);
    // An eps of 1 keeps the update in proportion to the gradient, so that clipping shows.
    const norm = await optimizer.update([tf.tensor1d([3 * scale]), tf.tensor1d([4 * scale])], 1, {
      ...settings,
      adam_epsilon: 1,
      max_grad_norm,
    });
    return { norm, a: variables.get('a')!.dataSync()[0]! };
  };
  const clipped = await run(1, 1);
  expect(clipped.norm).toBeCloseTo(5, 5);
  expect(clipped.a).toBeCloseTo((await run(0.2, null)).a, 5);
  expect((await run(0.1, 1)).a).toBeCloseTo((await run(0.1, null)).a, 7);
});

it('changes nothing and says so when a gradient is not finite', async () => {
  const variables = new Map([['w', tf.variable(tf.tensor1d([1]))]]);
  const optimizer = new AdamW(variables);
  expect(await optimizer.update([tf.tensor1d([NaN])], 1, settings)).toBeNaN();
  expect(variables.get('w')!.dataSync()[0]).toBe(1);
  expect(optimizer.step).toBe(0);
});

it('sums the gradients of micro-batches and leaves no tensor behind', async () => {
  const w = tf.variable(tf.tensor1d([2]));
  const unused = tf.variable(tf.tensor1d([1]));
  const optimizer = new AdamW(
    new Map([
      ['w', w],
      ['unused', unused],
    ]),
  );
  const before = tf.memory().numTensors;
  let grads: tf.Tensor[] | null = null;
  for (const factor of [1, 2, 4]) {
    grads = accumulateGradients(() => tf.sum(tf.mul(tf.square(w), factor)), [w, unused], grads);
  }
  expect(grads!.map((g) => g.dataSync()[0])).toEqual([28, 0]);
  await optimizer.update(grads!, 0.1, settings);
  expect(tf.memory().numTensors).toBe(before);
  optimizer.dispose();
  expect(tf.memory().numTensors).toBe(before - 2);
});

it('goes on exactly from moments that were read by name', async () => {
  const make = () =>
    new Map<string, tf.Variable>([
      ['a', tf.variable<tf.Rank>(tf.tensor2d([[1, -2]]))],
      ['b', tf.variable<tf.Rank>(tf.scalar(3))],
    ]);
  const grads = (step: number) => [tf.tensor2d([[step, -1]]), tf.scalar(1 / step)];
  const [whole, halves] = [make(), make()];
  const [one, first, second] = [new AdamW(whole), new AdamW(halves), new AdamW(halves)];
  for (const step of [1, 2, 3]) await one.update(grads(step), 0.1, settings);
  for (const step of [1, 2]) await first.update(grads(step), 0.1, settings);
  const moments = await first.readMoments();
  expect(Array.from(moments, ([name, { shape }]) => [name, shape])).toEqual([
    ['m/a', [1, 2]],
    ['m/b', []],
    ['v/a', [1, 2]],
    ['v/b', []],
  ]);
  second.step = first.step;
  second.writeMoments((name) => moments.get(name)!.values);
  await second.update(grads(3), 0.1, settings);
  for (const [name, variable] of whole) {
    expect(halves.get(name)!.dataSync(), name).toEqual(variable.dataSync());
  }
});
