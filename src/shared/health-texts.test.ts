import { expect, test } from 'vitest';
import { checkTexts } from './health-texts';

const text = (checkpoint: string, completion: string) => ({ checkpoint, completion });

test('texts that begin to repeat themselves are warned of, with both figures', () => {
  const [notice] = checkTexts(
    [
      text('sft@30', 'so happy so happy so happy'),
      text('ppo@5', 'Ben found the dog and went home.'),
      text('ppo@10', 'so happy so happy so happy'),
    ],
    'ppo',
  );
  expect(notice).toMatchObject({ level: 'warning', metric: 'repetition' });
  expect(notice?.message).toContain('60 % of their two-word runs have come before, 0 % at the first');
  expect(notice?.try).toContain('kl_coef');
});

test('one checkpoint alone, texts that always did, and a little more are left in peace', () => {
  const twice = 'a dog ran and a dog ran far';
  expect(checkTexts([text('ppo@5', 'so happy so happy')], 'ppo')).toEqual([]);
  expect(checkTexts([text('ppo@5', twice), text('ppo@10', twice)], 'ppo')).toEqual([]);
  expect(checkTexts([text('ppo@5', 'one two three'), text('ppo@10', 'one two three four')], 'ppo')).toEqual(
    [],
  );
});
