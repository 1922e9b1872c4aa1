import { expect, test } from 'vitest';
import type { Command, Event } from '../../shared/protocol';
import { Questions } from './questions';

const ERROR = { code: 'bad-data', message: 'line 3 is empty.', fix: 'Remove it.' } as const;
const LOST = { code: 'device-lost', message: 'The device is lost.', fix: 'Try again.' } as const;

/** Two questions, and the numbers they were sent with. */
function asked() {
  const sent: Command[] = [];
  const questions = new Questions((command) => sent.push(command));
  const load = questions.ask('loadModel', { model: 'bundled:stories-neo' });
  const rows = questions.ask('lookAtRows', { part: 'sft', source: 'own:mine', text: null });
  const numbers = sent.map((command) => ('request' in command ? command.request : null));
  return { questions, load, rows, sent, numbers };
}

const answer = (request: number | null | undefined): Event => ({
  type: 'rowsLookedAt',
  request: request ?? 0,
  looked: { rows: [], total: 0, problems: [], good: '' },
});

test('an answer goes to whoever asked, once', async () => {
  const { questions, rows, sent, numbers } = asked();
  expect(sent).toMatchObject([{ type: 'loadModel', model: 'bundled:stories-neo' }, { type: 'lookAtRows' }]);
  expect(new Set(numbers).size).toBe(2);
  expect(questions.hear(answer(numbers[1]))).toBe(true);
  await expect(rows).resolves.toMatchObject({ looked: { total: 0 } });
  expect(questions.hear(answer(numbers[1])), 'nobody waits any more').toBe(false);
});

test('an error goes to whoever asked; one that nobody asked for is told of elsewhere', async () => {
  const { questions, load, numbers } = asked();
  expect(questions.hear({ type: 'error', request: null, error: ERROR })).toBe(false);
  expect(questions.hear({ type: 'error', request: numbers[0]!, error: ERROR })).toBe(true);
  await expect(load).rejects.toEqual(ERROR);
});

test('with the worker all that was asked of it is given up, and told why', async () => {
  const { questions, load, rows, numbers } = asked();
  questions.giveUp(LOST);
  await expect(load).rejects.toEqual(LOST);
  await expect(rows).rejects.toEqual(LOST);
  expect(questions.hear(answer(numbers[1]))).toBe(false);
});
