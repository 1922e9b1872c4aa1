// What the losses log beside themselves, and the exactness of micro-batching; golden-scalars.test.ts has their values.
import { beforeAll, expect, it } from 'vitest';
import { tf } from '../engine/tf';
import { ppoPolicyLoss, ppoValueLoss, sftLoss } from './losses';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const value = (scalar: tf.Tensor) => scalar.dataSync()[0]!;

it('PPO: clipped policy losses and their fraction, padding adding nothing', () => {
  const advantages = tf.tensor1d([1, -1, 2, 0]);
  const logprobs = tf.log(tf.tensor1d([1.3, 0.7, 0.9, 1]));
  const { loss, clipfrac, approxkl, ratioExcess } = ppoPolicyLoss(
    logprobs,
    tf.zeros([4]),
    advantages,
    0.2,
    3,
  );
  expect(value(loss)).toBeCloseTo((-1.2 + 0.8 - 1.8) / 3, 6);
  expect(value(clipfrac)).toBeCloseTo(2 / 3, 6);
  expect(value(ratioExcess)).toBeCloseTo((1.3 + 0.7 + 0.9) / 3 - 1, 6);
  const expected = [1.3, 0.7, 0.9].reduce((sum, r) => sum + 0.5 * Math.log(r) ** 2, 0) / 3;
  expect(value(approxkl)).toBeCloseTo(expected, 6);
});

it('PPO: the value loss takes the worse of the free and the clipped value', () => {
  const { loss, clipfrac } = ppoValueLoss(tf.tensor1d([1, 0.1]), tf.zeros([2]), tf.tensor1d([1, 0]), 0.2, 2);
  expect(value(loss)).toBeCloseTo(0.5 * ((0.8 ** 2 + 0.1 ** 2) / 2), 6);
  expect(value(clipfrac)).toBeCloseTo(0.5, 6);
});

it('SFT: the mean over the minibatch, however it is cut', () => {
  const logprobs = tf.tensor1d([-1, -2, -3, -6]);
  expect(value(sftLoss(logprobs, 4))).toBeCloseTo(3, 6);
  const [first, second] = tf.split(logprobs, [1, 3]);
  expect(value(sftLoss(first!, 4)) + value(sftLoss(second!, 4))).toBeCloseTo(3, 6);
});
