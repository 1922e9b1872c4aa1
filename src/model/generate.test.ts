import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { tf } from '../engine/tf';
import { generate, type SamplingOptions } from './generate';
import { disposeModel, loadModel } from './load';
import { completionLogprobs } from './logprobs';
import type { Adapter } from './lora';
import { readPeft } from './peft';
import type { LanguageModel } from './types';

const atOnce = vi.hoisted(() => ({ rows: Infinity }));
vi.mock('../shared/memory-formula', async (original) => ({
  ...(await original<object>()),
  rowsAtOnce: () => atOnce.rows,
}));

// The reference ops on one busy core take seconds.
vi.setConfig({ testTimeout: 30_000 });

const golden = (path: string) => nodeDirectory(`tests/fixtures/gpt-neo-tiny/${path}`);
const plain: SamplingOptions = {
  maxNewTokens: 8,
  minNewTokens: 0,
  temperature: 1,
  topK: 0,
  topP: 1,
  seed: 3,
  streams: [],
};
const prompts = [
  [12, 30, 71, 67, 70, 15, 41],
  [83],
  [11, 94, 25, 79, 73, 96, 42, 1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
];

describe('generate', () => {
  let model: LanguageModel;
  let adapter: Adapter;

  beforeAll(async () => {
    await tf.setBackend('cpu');
    model = await loadModel('tiny', golden('model'));
    adapter = await readPeft(model, golden('adapter'), 'adapter');
  });

  afterAll(() => {
    adapter.dispose();
    disposeModel(model);
  });

  it('gives the log-probabilities of the training path, across cache, padding and window', async () => {
    const before = tf.memory().numTensors;
    const drawn = await generate(model, adapter, prompts, { ...plain, maxNewTokens: 9, streams: [0, 1, 2] });
    expect(tf.memory().numTensors).toBe(before);
    for (const [row, prompt] of prompts.entries()) {
      const ids = [...prompt, ...drawn.tokens[row]!];
      const batch = {
        ids: Int32Array.from(ids),
        mask: new Int32Array(ids.length).fill(1),
        completion: Int32Array.from(ids, (_, i) => (i < prompt.length ? 0 : 1)),
        batch: 1,
        length: ids.length,
      };
      const { logprobs } = completionLogprobs(model, adapter, batch, { temperature: 1 });
      const trained = logprobs.arraySync()[0]!.slice(prompt.length);
      expect(drawn.logprobs[row]).toHaveLength(trained.length);
      trained.forEach((value, t) => expect(Math.abs(value - drawn.logprobs[row]![t]!)).toBeLessThan(1e-4));
    }
  });

  it('draws a row alike in any company', async () => {
    const together = await generate(model, adapter, prompts, { ...plain, streams: [5, 6, 7] });
    for (const [row, prompt] of prompts.entries()) {
      const alone = await generate(model, adapter, [prompt], { ...plain, streams: [5 + row] });
      expect(alone.tokens[0]).toEqual(together.tokens[row]);
    }
    const other = await generate(model, adapter, prompts, { ...plain, streams: [6, 7, 8] });
    expect(other.tokens).not.toEqual(together.tokens);
  });

  it('reads a shared prompt once and drops rows that have ended, to the same completions', async () => {
    const [first, second, third] = prompts as [number[], number[], number[]];
    const shared = [second, first, second, third, first, second, second];
    const streams = shared.map((_, row) => 20 + row);
    const options = { ...plain, maxNewTokens: 24 };
    // The tiny model seldom ends: what it draws in most rows stands in for its EOS.
    const unended = { ...model, config: { ...model.config, eosId: null } };
    const { tokens } = await generate(unended, adapter, shared, { ...options, streams });
    const rows = (id: number): number => tokens.filter((row) => row.includes(id)).length;
    const eosId = tokens.flat().reduce((best, id) => (rows(id) > rows(best) ? id : best));
    const ending = { ...model, config: { ...model.config, eosId } };

    const before = tf.memory().numTensors;
    const together = await generate(ending, adapter, shared, { ...options, streams });
    expect(tf.memory().numTensors).toBe(before);
    const lengths = together.tokens.map(({ length }) => length).sort((a, b) => a - b);
    expect(lengths[3]).toBeLessThan(lengths[6]!); // the batch of seven was halved on the way
    for (const row of [0, 3, 6]) {
      const alone = await generate(ending, adapter, [shared[row]!], { ...options, streams: [streams[row]!] });
      expect(alone.tokens[0]).toEqual(together.tokens[row]);
      alone.logprobs[0]!.forEach((value, t) => {
        expect(Math.abs(value - together.logprobs[row]![t]!)).toBeLessThan(1e-5);
      });
    }
  });

  it('ends at any of several end tokens, and forbids all of them before minNewTokens', async () => {
    const streams = Array.from({ length: 12 }, (_, i) => i);
    const many = streams.map(() => [83]);
    const options = { ...plain, maxNewTokens: 12, streams };
    const unended = { ...model, config: { ...model.config, eosId: null } };
    const { tokens: free, logprobs } = await generate(unended, adapter, many, options);
    const [eosId, ...otherEosIds] = [free[0]![3]!, free[1]![5]!, free[2]![7]!];
    const ends = [eosId, ...otherEosIds];
    const ending = { ...model, config: { ...model.config, eosId, otherEosIds } };
    const { tokens } = await generate(ending, adapter, many, options);
    tokens.forEach((row, i) => {
      const end = free[i]!.findIndex((id) => ends.includes(id));
      expect(row).toEqual(free[i]!.slice(0, end < 0 ? 12 : end + 1));
    });
    for (const end of ends) expect(tokens.some((row) => row.at(-1) === end)).toBe(true);

    const held = await generate(ending, adapter, many, { ...options, minNewTokens: 12 });
    expect(held.tokens.flat().filter((id) => ends.includes(id))).toEqual([]);
    expect(held.tokens.every(({ length }) => length === 12)).toBe(true);
    // Of the plain model, whatever was forbidden: what was drawn alike has the same log-probability.
    held.tokens.forEach((row, i) => {
      if (row[0] === free[i]![0]) expect(held.logprobs[i]![0]).toBeCloseTo(logprobs[i]![0]!, 5);
    });
  });

  it('takes the most likely token with top-p 0', async () => {
    const greedy = await generate(model, adapter, prompts, { ...plain, temperature: 0, streams: [0, 1, 2] });
    const nucleus = await generate(model, adapter, prompts, { ...plain, topP: 0, streams: [0, 1, 2] });
    expect(nucleus).toEqual(greedy);
  });

  it('writes in parts where all caches at once would be too much, to the same completions', async () => {
    const before = tf.memory().numTensors;
    const streams = [5, 6, 7, 8, 9];
    const five = [...prompts, ...prompts.slice(1)];
    const together = await generate(model, adapter, five, { ...plain, streams });
    atOnce.rows = 2;
    const parts = await generate(model, adapter, five, { ...plain, streams }).finally(() => {
      atOnce.rows = Infinity;
    });
    expect(parts.tokens).toEqual(together.tokens);
    expect(parts.logprobs.map(({ length }) => length)).toEqual(together.tokens.map(({ length }) => length));
    expect(tf.memory().numTensors).toBe(before);
  });

  it('fills the context to its last position and refuses one more', async () => {
    const full = Array.from({ length: 50 }, (_, i) => i + 1);
    const held = { ...plain, minNewTokens: 64, streams: [0, 1] };
    const drawn = await generate(model, null, [full, [7]], { ...held, maxNewTokens: 14 });
    expect(drawn.tokens.map(({ length }) => length)).toEqual([14, 14]);
    await expect(generate(model, null, [[7], full], { ...held, maxNewTokens: 15 })).rejects.toMatchObject({
      code: 'too-long',
      message: 'prompt 2 has 50 tokens; with 15 new ones that is more than the context of tiny, 64',
    });
    await expect(generate(model, null, [[]], { ...plain, streams: [0] })).rejects.toMatchObject({
      code: 'bad-data',
    });
  });

  it('can be aborted, and leaves nothing behind', async () => {
    const before = tf.memory().numTensors;
    const abort = new AbortController();
    const running = generate(model, null, prompts, { ...plain, streams: [0, 1, 2], signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    expect(tf.memory().numTensors).toBe(before);
  });
});
