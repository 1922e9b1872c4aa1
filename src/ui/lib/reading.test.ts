// The sentence of a stage that is well.

import { expect, it } from 'vitest';
import { readingOf, wentFar } from './reading';

it('tells what a policy gained and how far it went for it', () => {
  const first = { stage: 'ppo', step: 1, 'objective/scores': -0.33, 'objective/kl': 0.01 };
  const last = { stage: 'ppo', step: 2, 'objective/scores': 1.06, 'objective/kl': 2.18 };
  expect(readingOf([first])).toBe('KL is 0.01\u202fnats: the model still writes as it did before.');
  expect(readingOf([first, last])).toBe(
    'The reward went from \u22120.33 to 1.06. KL is 2.2\u202fnats: the model has moved, and still talks like itself.',
  );
  expect(wentFar([first, last])).toBe(false);
  const beyond = { ...last, 'objective/kl': 6.16 };
  expect(wentFar([first, beyond])).toBe(true);
  expect(readingOf([first, beyond])).toMatch(/6\.2\snats: the model has moved far\. Read whether/);
});

it('sets a reward model beside a coin, by rows it never saw where there are some', () => {
  const row = { stage: 'reward', step: 1, loss: 0.5, accuracy: 0.9 };
  expect(readingOf([row])).toMatch(/^It puts 90\s% of the pairs in the right order/);
  expect(readingOf([{ ...row, eval_accuracy: 0.82 }])).toMatch(/^It puts 82\s% of held-out pairs/);
});

it('tells how well a model foresees the next token', () => {
  const rows = [3, 2, 1].map((loss, i) => ({ stage: 'sft', step: i + 1, loss }));
  expect(readingOf(rows.slice(0, 1))).toBe('The next token surprises it by 3.00\u202fnats.');
  expect(readingOf(rows)).toBe('The next token surprises it by 1.00\u202fnats, at first 3.00.');
  const held = rows.map((row, i) => (i === 0 ? { ...row, eval_loss: 2.5 } : row));
  expect(readingOf(held)).toBe('The next held-out token surprises it by 2.50\u202fnats.');
});

it('says nothing where nothing can be put so', () => {
  expect(readingOf([{ stage: 'dpo', step: 1, loss: 0.69 }])).toBe('');
  expect(readingOf([{ stage: 'pairs', step: 1, pairs: 40 }])).toBe('');
  expect(readingOf([])).toBe('');
});
