// The examples of docs/extending.md: the page shows them as they are, and they work.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { bigram } from '../../tests/extending/bigram';
import { QUESTIONS, questions } from '../../tests/extending/questions';
import { rwr } from '../../tests/extending/rwr';
import { shortEnding } from '../../tests/extending/short-ending';
import { nodeDirectory } from '../../tests/node-files';
import { parseRows } from '../data/records';
import { openDevice } from '../engine/device';
import { normals } from '../engine/random';
import { tf } from '../engine/tf';
import { loadModel } from '../model/load';
import { completionLogprobs } from '../model/logprobs';
import { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import { rewardFunction } from '../reward';
import { defaultStage, parseExperiment } from '../shared/validate';
import { sftLoss } from '../train/losses';
import { accumulateGradients } from '../train/optimizer';
import { startPolicy } from '../train/preference';
import { disposeState } from '../train/state';

vi.mock('../reward/rules', async () => ({
  rules: { 'short-ending': (await import('../../tests/extending/short-ending')).shortEnding },
}));

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

it('shows every example as it is', () => {
  const page = text('docs/extending.md');
  const blocks = [...page.matchAll(/^`(tests\/extending\/[\w.-]+)`\n\n```\w+\n([\s\S]*?)^```$/gm)];
  expect(blocks.length).toBe(7);
  for (const [, path, shown] of blocks) expect(shown, path).toBe(text(path!));
});

const lora = { r: 2, lora_alpha: 4, lora_dropout: 0, use_rslora: false };
let tiny: LanguageModel;
beforeAll(async () => {
  await openDevice('wasm');
  tiny = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
});

it('a method: reward-weighted regression learns what is rewarded', { timeout: 60_000 }, async () => {
  const reference = Adapter.create(tiny, { ...lora, target_modules: ['q_proj', 'v_proj'] }, 1);
  const state = startPolicy(reference);
  const prompts = [65, 66, 67, 68].map((id) => ({ text: String(id), ids: [id, id + 1] }));
  const reward = (rows: readonly { tokens: readonly number[] }[]) =>
    Promise.resolve(rows.map(({ tokens }) => tokens.filter((id) => id % 2 === 0).length / tokens.length));
  const context = {
    model: tiny,
    name: 'rwr',
    seed: 3,
    onSample: () => undefined,
    prompts,
    reference,
    reward,
  };
  const stage = {
    ...defaultStage('reinforce'),
    total_episodes: 16 * 30,
    per_device_train_batch_size: 16,
    max_completion_length: 8,
    learning_rate: 1e-2,
    lr_scheduler_type: 'constant' as const,
    beta: 0.2,
  };
  const before = tf.memory().numTensors;
  const scores: number[] = [];
  for await (const row of rwr(context, stage, state)) {
    scores.push(row['objective/scores'] as number);
    expect(tf.memory().numTensors).toBe(before);
  }
  const mean = (some: number[]) => some.reduce((a, b) => a + b) / some.length;
  expect(mean(scores.slice(-6))).toBeGreaterThan(mean(scores.slice(0, 6)) + 0.1);
  disposeState(state);
  reference.dispose();
});

it('an architecture: a bigram model predicts by the present token, and LoRA finds its linear layer', async () => {
  const config = bigram.parseConfig(
    { hidden_size: 4, vocab_size: 6, max_position_embeddings: 32 },
    'config.json',
  );
  const weights = new Map(
    Array.from(bigram.parameters(config), ([name, [rows, columns]]) => [
      name,
      tf.tensor2d(normals(rows! * columns!, 1, name), [rows!, columns!]),
    ]),
  );
  const model: LanguageModel = { ...tiny, architecture: bigram, config, weights, tokenizer: null };
  const batch = {
    ids: Int32Array.from([0, 3, 5, 1, 3, 5]),
    mask: new Int32Array(6).fill(1),
    completion: Int32Array.from([0, 1, 1, 0, 1, 1]),
    batch: 2,
    length: 3,
  };
  const adapter = Adapter.create(model, { ...lora, target_modules: ['mix'] }, 1);
  const logprobs = tf.tidy(() => completionLogprobs(model, adapter, batch, { temperature: 1 }).logprobs);
  const [first, second] = (await logprobs.array()) as [number[], number[]];
  expect(first[1]).not.toBeCloseTo(second[1]!, 3);
  expect(first[2]).toBeCloseTo(second[2]!, 6);
  const grads = accumulateGradients(
    () => sftLoss(completionLogprobs(model, adapter, batch, { temperature: 1 }).logprobs, 4),
    [...adapter.variables.values()],
    null,
  );
  const [, b] = await Promise.all(grads.map((grad) => grad.data()));
  expect(Math.max(...Array.from(b!, Math.abs))).toBeGreaterThan(0);
  tf.dispose([logprobs, grads, [...weights.values()]]);
  adapter.dispose();
});

it('a reward: the rule scores text by its name', async () => {
  expect([shortEnding('', ' home'), shortEnding('', ' all went home')]).toEqual([1, 1 / 3]);
  const tokenizer = { ...tiny.tokenizer!, decode: () => ' all went home' };
  const score = rewardFunction({ kind: 'rule', name: 'short-ending' }, { ...tiny, tokenizer }, null);
  expect(await score([{ prompt: '', promptIds: [1], tokens: [2] }])).toEqual([1 / 3]);
});

it('a metric: the number and its row', () => {
  expect([questions(' Why?'), questions(' Home.')]).toEqual([1, 0]);
  expect(QUESTIONS.tells).toMatch(/^[A-Z].*\.$/);
});

describe('a dataset', () => {
  const of = (name: string): string => text(`tests/extending/${name}`);

  it('pairs and labelled completions are read', () => {
    expect(parseRows(of('pairs.jsonl'), 'pairs.jsonl', 'preference')).toHaveLength(2);
    const labels = parseRows(of('labels.jsonl'), 'labels.jsonl', 'unpaired-preference');
    expect(labels.map(({ label }) => label)).toEqual([true, false]);
  });

  it('an experiment that names them is valid as it stands', () => {
    const { experiment, warnings } = parseExperiment(of('experiment.json'), 'experiment.json');
    expect(warnings).toEqual([]);
    expect(experiment.stages.map(({ kind }) => kind)).toEqual(['dpo', 'evaluate']);
  });
});
