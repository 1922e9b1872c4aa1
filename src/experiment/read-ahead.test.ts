// What a later stage would stumble over is told before the first one has taken a step.
import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryStore } from '../../tests/memory-store';
import { nodeDirectory } from '../../tests/node-files';
import { jsonl, tinyRun, type TinyRun } from '../../tests/tiny-run';
import { openDevice } from '../engine/device';
import { loadModel } from '../model/load';
import type { Experiment, Stage } from '../shared/experiment';
import { defaultStage } from '../shared/validate';

const data: Record<string, string> = {
  'sft.jsonl': jsonl(['a', 'b', 'c', 'd'].map((prompt) => ({ prompt, completion: 'abc' }))),
  'long.jsonl': jsonl(['a', 'b'.repeat(20), 'c'].map((prompt) => ({ prompt, completion: 'x'.repeat(60) }))),
  'bad.jsonl': '{"prompt": "a"}\n{"promt": "b"}\n',
  'apart.jsonl': jsonl([
    { chosen: 'a b', rejected: 'a c' },
    { chosen: 'x', rejected: 'y' },
  ]),
  'labels.jsonl': jsonl([{ prompt: 'a', completion: 'b', label: true }]),
  'ids.jsonl': jsonl([1, 2, 3, 4].map((id) => ({ prompt_ids: [id], completion_ids: [id, 0] }))),
  'prompts.jsonl': jsonl([{ prompt: 'a' }, { prompt: 'b'.repeat(30) }]),
  'pairs.jsonl': jsonl(
    ['a', 'b', 'c'].map((prompt, i) => ({ prompt, chosen: 'x'.repeat(2 + 40 * i), rejected: 'y' })),
  ),
};
const sft: Stage = { ...defaultStage('sft'), max_steps: 1, warmup_steps: 0, per_device_train_batch_size: 2 };
const ppo: Stage = {
  ...defaultStage('ppo'),
  ...{ reward: { kind: 'tokens', weights: { a: 1 } }, response_length: 40, total_episodes: 4 },
  per_device_train_batch_size: 4,
};
let options: TinyRun;

beforeAll(async () => {
  options = {
    model: await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model')),
    device: await openDevice('wasm'),
    readData: ({ path }) => Promise.resolve(path in data ? new TextEncoder().encode(data[path]) : null),
    experiment: {
      ...{ format: 1, name: 'tiny', model: 'tiny', seed: 1, data: {}, stages: [] },
      lora: { r: 2, lora_alpha: 4, lora_dropout: 0, target_modules: ['q_proj'], use_rslora: false },
    },
  };
});

const of = (stages: Stage[], files: Experiment['data']): TinyRun => ({
  ...options,
  experiment: { ...options.experiment, data: files, stages },
});

describe('before the first stage', () => {
  it.each<[string, Stage[], Experiment['data'], string, string]>([
    [
      'a prompt that leaves PPO too little room',
      [sft, ppo],
      { sft: 'sft.jsonl', prompts: 'prompts.jsonl' },
      'too-long',
      'prompts.jsonl, line 2: "prompt" has 30 tokens; with 40 new ones',
    ],
    [
      'an evaluation prompt without its column',
      [sft, defaultStage('evaluate')],
      { sft: 'sft.jsonl', eval_prompts: 'bad.jsonl' },
      'bad-data',
      'bad.jsonl, line 2: "prompt" is missing',
    ],
    [
      'a file of pairs that is not there',
      [sft, defaultStage('dpo')],
      { sft: 'sft.jsonl', preferences: 'none.jsonl' },
      'not-found',
      'There is no file "none.jsonl"',
    ],
    [
      'pairs without a prompt for a policy to go on from',
      [sft, defaultStage('dpo')],
      { sft: 'sft.jsonl', preferences: 'apart.jsonl' },
      'bad-data',
      'apart.jsonl, line 2: its texts part at once',
    ],
    [
      'labels where a stage learns from pairs, though another takes them',
      [sft, defaultStage('kto'), defaultStage('dpo')],
      { sft: 'sft.jsonl', preferences: 'labels.jsonl' },
      'bad-data',
      'labels.jsonl, line 1: "chosen" is missing',
    ],
    [
      'rows of pretraining longer than the context',
      [{ ...defaultStage('pretrain'), max_length: 65 }],
      { text: 'none.txt' },
      'too-long',
      'Stage pretrain: max_length is 65, and the context of tiny 64.',
    ],
  ])('refuses %s', async (_, stages, files, code, message) => {
    const store = new MemoryStore();
    const failure = tinyRun({ ...of(stages, files), store });
    await expect(failure).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
    expect([...store.files.keys()]).toEqual([]);
  });
});

it.each<[string, Stage, string]>([
  [
    'rules',
    { ...ppo, reward: { kind: 'rule', name: 'kind-ending' } },
    'has no tokenizer, and rules read text',
  ],
  ['token rewards', ppo, 'has no tokenizer, so its tokens have no text'],
  ['labellers', defaultStage('pairs'), 'has no tokenizer, and labellers read text'],
])('refuses %s of a model that knows ids alone, before the first stage', async (_, stage, message) => {
  const store = new MemoryStore();
  const { experiment, model, ...rest } = of([sft, stage], { sft: 'ids.jsonl', prompts: 'ids.jsonl' });
  const bare = { ...rest, experiment, model: { ...model, tokenizer: null }, store };
  await expect(tinyRun(bare)).rejects.toThrow(message);
  expect([...store.files.keys()]).toEqual([]);
});

it('tells which rows a stage cannot use as they are, and goes on', { timeout: 60_000 }, async () => {
  const dpo: Stage = {
    ...defaultStage('dpo'),
    max_steps: 1,
    warmup_steps: 0,
    per_device_train_batch_size: 2,
  };
  const files = { sft: 'long.jsonl', preferences: 'pairs.jsonl' };
  const { events } = await tinyRun(of([sft, dpo], files));
  expect(
    events.flatMap((event) => (event.type === 'warning' ? [`${event.stage}: ${event.message}`] : [])),
  ).toEqual([
    'sft: data.sft ("long.jsonl"): rows longer than the context of 64 tokens lose their end: 1 of them (line 2).',
    'dpo: data.preferences ("pairs.jsonl"): rows longer than the context of 64 tokens are left out, since a side that is cut cannot be judged: 1 of them (line 3).',
  ]);
});
