// The judge and the labeller against endings labelled by reading them; only rows not held out took part in the fit.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { labellers } from '../feedback/labellers';
import { judge, pairFeatures } from './judge';

interface Labelled {
  source: 'corpus' | 'base' | 'sft' | 'ppo' | 'wild';
  label: 'happy' | 'sad' | 'neither';
  held_out: boolean;
  prompt: string;
  completion: string;
}

const rows = readFileSync(new URL('../../tests/fixtures/labelled-endings.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Labelled);
const heldOut = rows.filter((row) => row.held_out);

const agreement = (some: Labelled[], happy: (row: Labelled) => boolean): number =>
  some.filter((row) => happy(row) === (row.label === 'happy')).length / some.length;

describe('agreement with reading', () => {
  test('enough endings were read, of every source and label', () => {
    expect(heldOut.length).toBeGreaterThanOrEqual(200);
    for (const label of ['happy', 'sad', 'neither']) {
      expect(heldOut.filter((row) => row.label === label).length).toBeGreaterThanOrEqual(20);
    }
  });

  test('the judge agrees on endings that took no part in its fit', () => {
    expect(agreement(heldOut, ({ completion }) => judge(completion).happy)).toBeGreaterThanOrEqual(0.85);
  });

  test('the labeller agrees, less well', () => {
    const label = labellers['feeling-words']!;
    expect(
      agreement(heldOut, ({ prompt, completion }) => label(prompt, completion) > 0),
    ).toBeGreaterThanOrEqual(0.8);
  });

  test('judge and labeller err on different endings', () => {
    const label = labellers['feeling-words']!;
    const judgeErrs = heldOut.filter((row) => judge(row.completion).happy !== (row.label === 'happy'));
    const both = judgeErrs.filter((row) => label(row.prompt, row.completion) > 0 !== (row.label === 'happy'));
    expect(both.length).toBeLessThan(judgeErrs.length);
  });
});

test('features are word pairs with edges; a negation marks what follows it; nothing counts twice', () => {
  expect([...pairFeatures('He was not happy. Joy joy joy.')]).toEqual([
    ['^ he', 0.5],
    ['he was', 0.5],
    ['was not', 0.5],
    ['not !happy', 0.5],
    ['!happy $', 0.5],
    ['^ joy', 1],
    ['joy joy', 1],
    ['joy $', 1],
  ]);
});

describe('hard to game', () => {
  test.each([
    ' happy happy happy happy happy happy',
    ' Happy. Happy. Happy.',
    ' He was happy. He was happy. He was happy. He was happy.',
    ' happy glad proud joy smile fun laugh friends love hug',
    ' asdf qwer was very happy zxcv uiop blah frob',
    '',
  ])('not happy: %j', (completion) => {
    expect(judge(completion).happy).toBe(false);
    expect(judge(completion).score).toBeLessThan(0.2);
  });

  test('an ending said three times scores below the same said once', () => {
    const once = ' Tim was so happy. They all played together.';
    expect(judge(once).happy).toBe(true);
    expect(judge(once + once + once).score).toBeLessThan(0.5 * judge(once).score);
  });

  test('an ending that breaks off scores below a complete one', () => {
    expect(judge(' Tim was so happy. They all played').score).toBeLessThan(
      judge(' Tim was so happy. They all played.').score,
    );
  });

  test('negation turns the verdict', () => {
    expect(judge(' Tim was not happy and never played together with his friend again.').happy).toBe(false);
  });
});
