// Intervals that say how far a number would move with other prompts: percentile bootstrap over prompts, all samples
// of a prompt drawn together because they resemble each other. The draws depend on the seed alone, so two checkpoints
// of one evaluation are resampled alike and their differences are paired.

import { uniform } from '../engine/random';
import type { Interval } from '../shared/protocol';

const RESAMPLES = 1000;

/** The statistic of all `prompts` prompts, with the central 95 % of its values over resampled prompts. A statistic
 *  gets the indices of the prompts drawn, with repetitions. */
export function bootstrap(prompts: number, seed: number, statistic: (draw: Int32Array) => number): Interval {
  const value = statistic(Int32Array.from({ length: prompts }, (_, i) => i));
  const values = resamples(prompts, seed)
    .map(statistic)
    .sort((a, b) => a - b);
  const cut = Math.floor(RESAMPLES * 0.025);
  return { value, low: values[cut]!, high: values[RESAMPLES - 1 - cut]! };
}

/** As `bootstrap`, for a statistic that falls when a text is repeated (the share of different n-grams): the interval
 *  is moved so that the mean over resamples meets the value, which takes the repetitions' bias out. */
export function recentredBootstrap(
  prompts: number,
  seed: number,
  statistic: (draw: Int32Array) => number,
): Interval {
  let sum = 0;
  let calls = 0;
  const { value, low, high } = bootstrap(prompts, seed, (draw) => {
    const result = statistic(draw);
    if (calls++ > 0) sum += result;
    return result;
  });
  const bias = sum / RESAMPLES - value;
  return { value, low: low - bias, high: high - bias };
}

/** The mean of one number per prompt. */
export function bootstrapMean(values: ArrayLike<number>, seed: number): Interval {
  return bootstrap(values.length, seed, (draw) => draw.reduce((sum, i) => sum + values[i]!, 0) / draw.length);
}

function resamples(prompts: number, seed: number): Int32Array[] {
  return Array.from({ length: RESAMPLES }, (_, r) =>
    Int32Array.from({ length: prompts }, (_, i) => Math.floor(uniform(seed, 'bootstrap', r, i) * prompts)),
  );
}
