// The trainers on a transformer whose completions can all be counted (tests/counted.ts; tests/optima.browser.test.ts has a
// short version on both backends). `FULL=1` takes completions of three tokens in place of two, and eight times the samples.
import { afterAll, beforeAll, describe, it } from 'vitest';
import { countedTask, LONG, USUAL } from '../../tests/counted';
import { openDevice } from '../engine/device';

let task: Awaited<ReturnType<typeof countedTask>>;
beforeAll(async () => {
  await openDevice('wasm');
  task = await countedTask(process.env['FULL'] === '1' ? LONG : USUAL);
}, 120_000);
afterAll(() => task.dispose());

describe('as far as the exact gradient', { timeout: 600_000 }, () => {
  it('PPO', () => task.ppo());
  it('RLOO', () => task.rloo());
});

describe('estimates of the KL, where it is known', { timeout: 120_000 }, () => {
  it('k1, k3 and the sum over the whole vocabulary agree on average', () => task.estimatorsAgree());
  it('PPO’s objective/kl, GRPO’s kl (k3) and RLOO’s (k1) are the KL', () => task.estimatesAreTheKl());
});

it('the entropy bonus is the gradient of the mean entropy, and raises it', { timeout: 60_000 }, () =>
  task.entropyBonus(),
);
