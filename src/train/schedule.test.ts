// Values by hand from the definitions in transformers/optimization.py.
import { expect, it } from 'vitest';
import { learningRateAt } from './schedule';

const rates = (type: 'constant' | 'linear' | 'cosine', warmup: number) =>
  [0, 1, 2, 3, 4, 5].map((step) =>
    learningRateAt(step, 6, { learning_rate: 1, lr_scheduler_type: type, warmup_steps: warmup }),
  );

it('warms up from zero, then holds, falls linearly, or follows half a cosine', () => {
  expect(rates('constant', 2)).toEqual([0, 0.5, 1, 1, 1, 1]);
  expect(rates('linear', 2)).toEqual([0, 0.5, 1, 0.75, 0.5, 0.25]);
  const half = Math.SQRT1_2 / 2;
  [0, 0.5, 1, 0.5 + half, 0.5, 0.5 - half].forEach((rate, step) =>
    expect(rates('cosine', 2)[step]).toBeCloseTo(rate, 12),
  );
});

it('starts at the full rate without a warm-up', () => {
  expect(rates('linear', 0)[0]).toBe(1);
  expect(rates('cosine', 0)[0]).toBe(1);
});
