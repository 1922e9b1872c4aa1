import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { nodeDirectory, readJson } from '../../tests/node-files';
import { tf } from '../engine/tf';
import { disposeModel, loadModel } from '../model/load';
import { readPeft } from '../model/peft';
import type { LanguageModel } from '../model/types';
import { generateRows, scoreRows } from './rows';

// The reference ops on one busy core take seconds.
vi.setConfig({ testTimeout: 30_000 });

const directory = (path: string) => nodeDirectory(`tests/fixtures/gpt-neo-tiny/${path}`);
const lines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const jsonl = (rows: object[]) => rows.map((row) => JSON.stringify(row)).join('\n');
const options = { maxNewTokens: 5, minNewTokens: 0, temperature: 1, topK: 0, topP: 1, seed: 4 };

let model: LanguageModel;

beforeAll(async () => {
  await tf.setBackend('cpu');
  model = await loadModel('tiny', directory('model'));
});

afterAll(() => disposeModel(model));

describe('scoreRows', () => {
  it('gives PyTorch’s log-probabilities, ids taken as they are, rows in order with their fields', async () => {
    const { dpo, batch } = await readJson<{
      dpo: { policy_logps: number[] };
      batch: { input_ids: number[][] };
    }>('tests/fixtures/gpt-neo-tiny/cases.json');
    const adapter = await readPeft(model, directory('adapter'), 'adapter');
    const [long = [], short = []] = batch.input_ids;
    const rows = [
      { id: 'short', prompt_ids: short.slice(0, 3), completion_ids: short.slice(3, 14) },
      { completion_ids: long.slice(3), prompt_ids: long.slice(0, 3), id: 'long' },
    ];
    const [first, second] = lines(await scoreRows(model, adapter, jsonl(rows), 'in.jsonl'));
    expect(Object.keys(first!)).toEqual([
      'id',
      'prompt_ids',
      'completion_ids',
      'token_ids',
      'logprobs',
      'sum',
    ]);
    expect(second).toMatchObject({ ...rows[1], token_ids: long.slice(3) });
    expect(first!['logprobs']).toHaveLength(11);
    expect(second!['sum']).toBeCloseTo(dpo.policy_logps[0]!, 3);
    expect(first!['sum']).toBeCloseTo(dpo.policy_logps[1]!, 3);
    adapter.dispose();
  });

  it('tokenises prompt and completion apart and appends nothing', async () => {
    const rows = [{ prompt: 'Hi', completion: ' yes!' }];
    const [row] = lines(await scoreRows(model, null, jsonl(rows), 'in.jsonl'));
    expect(row).toMatchObject({ prompt: 'Hi', completion: ' yes!' });
    expect(row!['token_ids']).toEqual(model.tokenizer!.encode(' yes!', { special: false }));
  });

  it.each([
    [
      '{"prompt_ids": [1], "completion_ids": [97]}',
      'bad-data',
      'in.jsonl, line 1: "completion_ids" holds 97',
    ],
    [
      '{"prompt_ids": [1], "completion_ids": [2]}\n{"prompt_ids": [1]}',
      'bad-data',
      'in.jsonl, line 2: "completion"',
    ],
    ['{"prompt_ids": [], "completion_ids": [2]}', 'bad-data', 'in.jsonl, line 1: the prompt has no tokens'],
    [
      jsonl([{ prompt_ids: new Array(60).fill(1), completion_ids: [1, 2, 3, 4, 5] }]),
      'too-long',
      'in.jsonl, line 1',
    ],
  ])('refuses %s', async (text, code, message) => {
    await expect(scoreRows(model, null, text, 'in.jsonl')).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it('needs a tokenizer for texts only', async () => {
    const bare = { ...model, tokenizer: null };
    await expect(
      scoreRows(bare, null, '{"prompt": "a", "completion": "b"}', 'in.jsonl'),
    ).rejects.toMatchObject({
      message: expect.stringContaining('has no tokenizer') as string,
    });
    const out = await generateRows(bare, null, '{"prompt_ids": [5]}', 'in.jsonl', 1, options);
    expect(Object.keys(lines(out)[0]!)).toEqual(['prompt_ids', 'token_ids', 'logprobs']);
  });
});

describe('generateRows', () => {
  it('gives n of each, the same for the same seed, another for another row or sample', async () => {
    const rows = [
      { prompt: 'A', tag: 1 },
      { prompt: 'Once', tag: 2 },
      { prompt: 'A', tag: 3 },
    ];
    const text = await generateRows(model, null, jsonl(rows), 'in.jsonl', 2, options);
    expect(await generateRows(model, null, jsonl(rows), 'in.jsonl', 2, options)).toBe(text);
    const out = lines(text) as {
      tag: number;
      completions: string[];
      token_ids: number[][];
      logprobs: number[][];
    }[];
    expect(out.map(({ tag }) => tag)).toEqual([1, 2, 3]);
    for (const { completions, token_ids, logprobs } of out) {
      expect([completions, token_ids, logprobs].map(({ length }) => length)).toEqual([2, 2, 2]);
      expect(logprobs.map(({ length }) => length)).toEqual(token_ids.map(({ length }) => length));
      expect(completions).toEqual(
        token_ids.map((ids) => model.tokenizer!.decode(ids, { skipSpecial: true })),
      );
    }
    const samples = [...out[0]!.token_ids, ...out[2]!.token_ids].map((ids) => ids.join());
    expect(new Set(samples).size).toBe(4);
  });

  it('refuses what would leave the context, by line', async () => {
    const text = jsonl([{ prompt_ids: [1] }, { prompt_ids: new Array(60).fill(1) }]);
    await expect(generateRows(model, null, text, 'in.jsonl', 1, options)).rejects.toMatchObject({
      code: 'too-long',
      message: expect.stringContaining('in.jsonl, line 2') as string,
    });
  });
});
