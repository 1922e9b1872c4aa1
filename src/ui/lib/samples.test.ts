// Before and after may only be compared on the same prompt and the same seed.

import { describe, expect, it } from 'vitest';
import { momentAt, momentKey, SampleBook } from './samples';

function row(checkpoint: string, prompt: string, seed: number, completion: string) {
  return { checkpoint, prompt, seed, completion, token_ids: [] };
}

describe('SampleBook', () => {
  it('keeps prompts and seeds apart and moments in order', () => {
    const book = new SampleBook();
    book.add('sft', 0, row('base', 'A', 1, 'wandered'));
    book.add('sft', 0, row('base', 'A', 2, 'other'));
    book.add('sft', 25, row('sft', 'A', 1, 'ended'));
    const [first, second] = book.watched;
    expect(first?.moments.map(({ completion }) => completion)).toEqual(['wandered', 'ended']);
    expect(second?.moments.map(({ completion }) => completion)).toEqual(['other']);
  });

  it('replaces a moment that is told again', () => {
    const book = new SampleBook();
    book.add('ppo', 3, row('ppo', 'A', 1, 'one'));
    book.add('ppo', 3, row('ppo', 'A', 1, 'two'));
    expect(book.watched[0]?.moments.map(({ completion }) => completion)).toEqual(['two']);
  });

  it('does not grow without end', () => {
    const book = new SampleBook();
    for (let seed = 0; seed < 500; seed++) book.add('evaluate', 1, row('base', 'A', seed, 'x'));
    expect(book.watched.length).toBe(64);
  });
});

describe('momentAt', () => {
  it('finds a moment, else the first or the last', () => {
    const moments = [1, 2, 3].map((step) => ({
      checkpoint: 'sft',
      stage: 'sft',
      step,
      completion: String(step),
    }));
    expect(momentAt(moments, momentKey(moments[1]!), 0)?.step).toBe(2);
    expect(momentAt(moments, null, 0)?.step).toBe(1);
    expect(momentAt(moments, 'gone', -1)?.step).toBe(3);
    expect(momentAt([], null, 0)).toBeNull();
  });
});
