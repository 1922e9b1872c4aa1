// Before and after may only be compared on the same prompt and the same seed.

import { describe, expect, it } from 'vitest';
import { checkpointAt, factsOf, momentAt, momentLabel, pickSamples, SampleBook } from './samples';

function row(checkpoint: string, prompt: string, seed: number, completion: string) {
  return { checkpoint, prompt, completion, token_ids: [], seed };
}

describe('SampleBook', () => {
  it('keeps prompts and seeds apart and moments in order', () => {
    const book = new SampleBook();
    book.add(row('base', 'A', 1, 'wandered'));
    book.add(row('base', 'A', 2, 'other'));
    book.add(row('sft@25', 'A', 1, 'ended'));
    const [first, second] = book.watched;
    expect(first?.moments.map(({ completion }) => completion)).toEqual(['wandered', 'ended']);
    expect(second?.moments.map(({ completion }) => completion)).toEqual(['other']);
  });

  it('calls what the bare model wrote before training by one name, in runs old and new', () => {
    const book = new SampleBook();
    book.add(row('base@0', 'A', 1, 'wandered'));
    expect(book.watched[0]?.moments.map(({ checkpoint }) => checkpoint)).toEqual(['base']);
  });

  it('replaces a moment that is told again', () => {
    const book = new SampleBook();
    book.add(row('ppo@3', 'A', 1, 'one'));
    book.add(row('ppo@3', 'A', 1, 'two'));
    expect(book.watched[0]?.moments.map(({ completion }) => completion)).toEqual(['two']);
  });

  it('puts first what most stages have completed', () => {
    const book = new SampleBook();
    for (const step of [0, 25, 50]) book.add(row(`sft@${step}`, 'watched', 0, 'x'));
    for (const checkpoint of ['base', 'sft', 'ppo']) book.add(row(checkpoint, 'evaluated', 9, 'x'));
    expect(book.watched.map(({ prompt }) => prompt)).toEqual(['evaluated', 'watched']);
  });

  it('does not grow without end', () => {
    const book = new SampleBook();
    for (let seed = 0; seed < 500; seed++) book.add(row('base', 'A', seed, 'x'));
    expect(book.watched.length).toBe(64);
  });
});

describe('moments', () => {
  const moments = ['base', 'sft@25', 'ppo'].map((checkpoint) => ({ checkpoint, completion: checkpoint }));

  it('are found by checkpoint, else the first or the last', () => {
    expect(momentAt(moments, 'sft@25', 0)?.completion).toBe('sft@25');
    expect(momentAt(moments, null, 0)?.completion).toBe('base');
    expect(momentAt(moments, 'gone', -1)?.completion).toBe('ppo');
    expect(momentAt([], null, 0)).toBeNull();
  });

  it('have names', () => {
    expect(moments.map(({ checkpoint }) => momentLabel(checkpoint))).toEqual(['Base', 'SFT, step 25', 'PPO']);
    expect(momentLabel('ppo@5')).toBe('PPO, update 5');
    expect(momentLabel('rloo-2@5')).toBe('RLOO, update 5');
  });
});

describe('checkpointAt', () => {
  const stages = ['sft', 'pairs', 'reward', 'ppo', 'evaluate'];
  const moments = ['base', 'sft@25', 'sft@50', 'ppo@5', 'ppo@10', 'sft', 'ppo'].map((checkpoint) => ({
    checkpoint,
    completion: '',
    token_ids: [],
  }));

  it.each([
    ['sft', 3, 'base'],
    ['sft', 25, 'sft@25'],
    ['sft', 49, 'sft@25'],
    ['reward', 1, 'sft'],
    ['ppo', 4, 'sft'],
    ['ppo', 7, 'ppo@5'],
    ['evaluate', 1, 'ppo'],
  ])('at step %s %i is the last one there was: %s', (stage, step, checkpoint) => {
    expect(checkpointAt(moments, { stage, step }, stages)).toBe(checkpoint);
  });

  it('is none before the first', () => {
    expect(checkpointAt(moments.slice(1), { stage: 'sft', step: 1 }, stages)).toBeNull();
  });
});

it('keeps what an update learnt from apart from what is compared', () => {
  const book = new SampleBook();
  const tokens = { text: [' a'], logprob: [-1], ref_logprob: [-1], whitened: [0], new_logprob: [-0.9] };
  const row = { checkpoint: 'ppo@2', prompt: 'p', completion: 'a', token_ids: [5], seed: 3, tokens };
  book.add(row);
  book.add(row);
  expect(book.watched).toEqual([]);
  expect(book.updates).toEqual([row]);
});

describe('pickSamples', () => {
  const lines = ['base', 'sft', 'sft-opponent'].flatMap((checkpoint) =>
    ['A', 'A', 'B', 'C'].map((prompt, i) => JSON.stringify(row(checkpoint, prompt, i, 'x'))),
  );

  it('takes the first completion of the first prompts of every checkpoint', () => {
    const picked = pickSamples(`${lines.join('\n')}\n`, 2);
    expect(picked.map(({ checkpoint, prompt, seed }) => `${checkpoint} ${prompt} ${seed}`)).toEqual([
      'base A 0',
      'base B 2',
      'sft A 0',
      'sft B 2',
    ]);
  });

  it('leaves out a line that was cut short', () => {
    expect(pickSamples(`${lines[0]}\n{"checkpoint":"sft","pro`, 2)).toHaveLength(1);
    expect(pickSamples('', 2)).toEqual([]);
  });
});

describe('factsOf', () => {
  const bare = { checkpoint: 'ppo@5', completion: 'so', token_ids: [] };
  const tokens = { text: [' so', '<|endoftext|>'], logprob: [-1, -0.5], ref_logprob: [-1.5, -0.25] };

  it('claims nothing of which it was told nothing', () => {
    expect(factsOf(bare)).toEqual({ happy: null, finished: null, reward: null, kl: null });
  });

  it('reads the end and the KL off the tokens', () => {
    expect(factsOf({ ...bare, tokens })).toEqual({ happy: null, finished: true, reward: null, kl: 0.25 });
    expect(factsOf({ ...bare, tokens: { ...tokens, text: [' so', ' on'] } }).finished).toBe(false);
    expect(factsOf({ ...bare, checkpoint: 'base', tokens }).kl).toBeNull();
  });

  it('believes the evaluation before all', () => {
    const told = { happy: false, finished: false, reward: 1.5, kl: 3 };
    expect(factsOf({ ...bare, tokens, ...told })).toEqual(told);
  });
});
