import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRows } from '../data/records';
import type { AnswerPair } from '../shared/protocol';
import {
  type Judgement,
  judgementOf,
  mixPreferences,
  pairOf,
  pairsToJudge,
  parseJudgements,
  preferencesOf,
  shownOrder,
  tally,
  type Verdict,
} from './human';

const pair = (id: string, labelled: 0 | 1 | null = 0): AnswerPair => ({
  id,
  prompt: { text: `Prompt ${id}`, ids: [1, 2] },
  answers: [
    { text: `kind ${id}`, ids: [3] },
    { text: `sad ${id}`, ids: [4, 5] },
  ],
  labelled,
});
const judged = (of: AnswerPair, verdict: Verdict, order: [0, 1] | [1, 0] = [0, 1]): Judgement =>
  judgementOf(of, order, verdict, 'human', new Date(0));
const jsonl = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('the order of answers', () => {
  it('is a fair coin, the same again for the same seed and pair', () => {
    const shown = Array.from({ length: 2000 }, (_, i) => shownOrder(pair(`pairs:${i}`), 7));
    expect(shown).toEqual(Array.from({ length: 2000 }, (_, i) => shownOrder(pair(`pairs:${i}`), 7)));
    const first = shown.filter(([left]) => left === 0).length;
    // Four standard deviations of a binomial of 2000 halves.
    expect(Math.abs(first - 1000)).toBeLessThan(4 * Math.sqrt(500));
    expect(shown).not.toEqual(Array.from({ length: 2000 }, (_, i) => shownOrder(pair(`pairs:${i}`), 8)));
  });
});

describe('a judgement', () => {
  it('names the answer that stood where the key said, whatever the order', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.constantFrom<Verdict>('1', '2'), (turned, verdict) => {
        const order: [0, 1] | [1, 0] = turned ? [1, 0] : [0, 1];
        const row = judged(pair('a'), verdict, order);
        const shown = order.map((at) => pair('a').answers[at].text);
        expect(row.chosen).toBe(shown[Number(verdict) - 1]);
        expect(row.rejected).toBe(shown[2 - Number(verdict)]);
        expect(tally([row]).agreed).toBe(row.chosen === 'kind a' ? 1 : 0);
      }),
    );
  });

  it('is a preference row that a data set of TRL’s columns has, ids and all', () => {
    const text = jsonl(preferencesOf([judged(pair('a'), '2'), judged(pair('b'), 'tie')]));
    const [row, ...rest] = parseRows(text, 'judgements.jsonl', 'preference');
    expect(rest).toEqual([]);
    expect(row).toMatchObject({ prompt: [1, 2], chosen: [4, 5], rejected: [3] });
    expect(row!.fields).toMatchObject({ judge: 'human', time: '1970-01-01T00:00:00.000Z', order: [0, 1] });
  });

  it('gives its pair back, to be judged again', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.constantFrom<Verdict>('1', '2', 'tie', 'skip'),
        fc.constantFrom<0 | 1 | null>(0, 1, null),
        (turned, verdict, labelled) => {
          const of = pair('a', labelled);
          expect(pairOf(judged(of, verdict, turned ? [1, 0] : [0, 1]))).toEqual(of);
        },
      ),
    );
  });

  it('is read back, and a torn last line is not', () => {
    const rows = [judged(pair('a'), '1'), judged(pair('b'), 'skip')];
    expect(parseJudgements(`${jsonl(rows)}{"prompt": "to`)).toEqual(rows);
    expect(parseJudgements('')).toEqual([]);
  });
});

describe('the tally', () => {
  it('counts agreement only where both chose', () => {
    const counted = tally([
      judged(pair('a', 0), '1'),
      judged(pair('b', 0), '2'),
      judged(pair('c', null), '1'),
      judged(pair('d', 1), 'tie'),
      judged(pair('e', 1), 'skip'),
    ]);
    expect(counted).toEqual({ decided: 3, ties: 1, skips: 1, compared: 2, agreed: 1, first: 2 / 3 });
    expect(tally([]).first).toBe(0.5);
  });
});

/** As the pairs stage writes them. */
const labelled = Array.from({ length: 40 }, (_, i) => ({
  prompt: `Prompt pairs:${i}`,
  chosen: `kind pairs:${i}`,
  rejected: `sad pairs:${i}`,
  prompt_ids: [1, 2],
  chosen_ids: [3],
  rejected_ids: [4, 5],
  flipped: i % 10 === 0,
}));

describe('pairs of a run', () => {
  it('come in an order of the seed, with the mind of the labeller before noise', () => {
    const pairs = pairsToJudge(jsonl(labelled), 'pairs', 3);
    expect(pairs.map(({ id }) => id).sort()).toEqual(labelled.map((_, i) => `pairs:${i}`).sort());
    expect(pairs.map(({ id }) => id)).not.toEqual(labelled.map((_, i) => `pairs:${i}`));
    for (const { id, labelled: mind } of pairs)
      expect(mind).toBe(Number(id.split(':')[1]) % 10 === 0 ? 1 : 0);
  });

  it('keep their order while the file grows', () => {
    const some = pairsToJudge(jsonl(labelled.slice(0, 25)), 'pairs', 3).map(({ id }) => id);
    const all = pairsToJudge(`${jsonl(labelled)}{"torn`, 'pairs', 3).map(({ id }) => id);
    expect(all.filter((id) => some.includes(id))).toEqual(some);
  });
});

describe('the pairs to learn from', () => {
  const own = [judged(pair('pairs:3'), '2'), judged(pair('pairs:5'), 'tie'), judged(pair('ppo:0'), '1')];

  it('are the labeller’s with the person’s in their place and as often as they weigh', () => {
    const rows = parseRows(mixPreferences(jsonl(labelled), own, 4), 'mix', 'preference');
    const texts = rows.map(({ fields }) => fields['prompt']);
    const count = (prompt: string) => texts.filter((text) => text === prompt).length;
    expect(rows.length).toBe(40 - 2 + 2 * 4);
    expect([count('Prompt pairs:3'), count('Prompt pairs:5'), count('Prompt ppo:0')]).toEqual([4, 0, 4]);
    expect(rows.find(({ fields }) => fields['prompt'] === 'Prompt pairs:3')!.chosen).toEqual([4, 5]);
  });

  it('can be the person’s alone', () => {
    const rows = parseRows(mixPreferences(null, own, 1), 'mix', 'preference');
    expect(rows.map(({ fields }) => fields['pair'])).toEqual(['pairs:3', 'ppo:0']);
  });
});
