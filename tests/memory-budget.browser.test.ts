// The memory that a run is told to take against what it takes: whole runs of a few steps, stage by stage, of rows of one
// length and of many. On WebGPU that is every buffer, pooled ones too; on wasm what lies on the heap, which itself grows in
// steps of a fifth.

import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { onDeviceProblem, openDevice } from '../src/engine/device';
import { memoryInUse, trimPool } from '../src/engine/memory';
import { webgpuBackend } from '../src/engine/private';
import { hash32 } from '../src/engine/random';
import { budgetOf } from '../src/experiment/budget';
import { Control } from '../src/experiment/control';
import { runExperiment } from '../src/experiment/run';
import { disposeModel, loadModel } from '../src/model/load';
import type { PlaygroundError } from '../src/shared/errors';
import { parseExperiment } from '../src/shared/validate';
import { watchAllocations } from './allocations';
import { directory } from './browser-files';
import { MemoryStore } from './memory-store';

const problems: PlaygroundError[] = [];
onDeviceProblem((problem) => problems.push(problem));
afterEach(() => {
  expect(problems.splice(0)).toEqual([]);
});

const TINY = 'fixtures/gpt-neo-tiny/model';
const LLAMA = 'fixtures/llama-stories260K';
const STORIES = '../models/stories-neo';

/** Tokens of every row; `mixed` has rows of all lengths up to that. `watched`: prompts are completed beside training. */
interface Rows {
  prompt: number;
  completion: number;
  mixed?: boolean;
  watched?: boolean;
}

const jsonl = (rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

function dataOf({ prompt, completion, mixed }: Rows): Record<string, string> {
  const all = Array.from({ length: mixed ? 96 : 24 }, (_, i) => i);
  const ids = (length: number, row: number, part: number): number[] => {
    const own = mixed && row > 0 ? 1 + (hash32(row, part) % length) : length;
    return Array.from({ length: own }, (_, t) => 1 + (hash32(row, part, t) % 90));
  };
  const of = (parts: Record<string, number>): string =>
    jsonl(
      all.map((row) =>
        Object.fromEntries(
          Object.entries(parts).map(([name, length], part) => [name, ids(length, row, part)]),
        ),
      ),
    );
  return {
    'sft.jsonl': of({ prompt_ids: prompt, completion_ids: completion }),
    'pairs.jsonl': of({ prompt_ids: prompt, chosen_ids: completion, rejected_ids: completion }),
    'prompts.jsonl': of({ prompt_ids: prompt }),
  };
}

/** Runs an experiment; what each stage took at most, and what it was told to. */
async function measure(path: string, rows: Rows, settings: Record<string, unknown>) {
  const files = dataOf(rows);
  const readData = ({ path: name }: { path: string }): Promise<Uint8Array | null> =>
    Promise.resolve(name in files ? new TextEncoder().encode(files[name]) : null);
  const watched = rows.watched && { eval_prompts: 'prompts.jsonl' };
  const data = { sft: 'sft.jsonl', preferences: 'pairs.jsonl', prompts: 'prompts.jsonl', ...watched };
  const { experiment } = parseExperiment(
    JSON.stringify({ format: 1, lora: LORA, ...settings, model: path, data }),
    'x.json',
  );
  trimPool();
  const watch = watchAllocations();
  const before = watch.now();
  const loaded = await loadModel(path, directory(path), undefined, experiment.quantization);
  const { stages, gradientCheckpointing } = await budgetOf(loaded, experiment, readData, null);
  // Without an end of text, completions are as long as was told.
  const model = { ...loaded, gradientCheckpointing, config: { ...loaded.config, eosId: null } };
  const taken = new Map<string, number>();
  await runExperiment({
    ...{ experiment, model, readData, store: new MemoryStore(), resume: false, control: new Control() },
    device: { backend: 'wasm', adapter: '', reason: '', threads: 1 },
    tell: (event) => {
      if (event.type !== 'stage') return;
      const most = watch.peak() - before;
      if (event.state === 'finished') taken.set(event.name, most);
    },
  });
  disposeModel(model);
  trimPool();
  // The engine's own working memory stays.
  const own = watch.now() - before;
  watch.stop();
  expect(own).toBeLessThan(2 ** 20);
  return stages.map(({ stage, total }) => ({ stage, told: total, taken: taken.get(stage)! - own }));
}

const LORA = {
  ...{ r: 8, lora_alpha: 16, lora_dropout: 0, use_rslora: false },
  target_modules: ['q_proj', 'v_proj'],
};
const step = { max_steps: 1, eval_fraction: 0, early_stopping_patience: null, warmup_steps: 0 };

function stage(kind: string, batch: number, fresh = 32): object {
  const all = { kind, per_device_train_batch_size: batch, warmup_steps: 0 };
  const written = { total_episodes: batch, reward: { kind: 'model' } };
  switch (kind) {
    case 'ppo':
      return { ...all, ...written, num_mini_batches: 1, num_ppo_epochs: 1, response_length: fresh };
    case 'grpo':
      return { ...all, ...written, num_generations: 4, max_completion_length: fresh };
    case 'reward':
      return { ...all, ...step, normalise_samples: 8 };
    default:
      return { ...all, ...step };
  }
}

/** A stage that trains little and writes much, and one that only writes. */
const WRITES = { ...stage('sft', 1), eval_fraction: 0.5, eval_steps: 1 };
const EVALUATION = { kind: 'evaluate', samples_per_prompt: 2, max_new_tokens: 40 };

type Case = [name: string, path: string, rows: Rows, settings: Record<string, unknown>];
const of = (batch: number, ...kinds: string[]) => ({ stages: kinds.map((kind) => stage(kind, batch)) });
const [short, long] = [
  { prompt: 8, completion: 24 },
  { prompt: 16, completion: 48 },
];
const checkpointed = { gradient_checkpointing: 'on' };

const cases: Case[] = [
  ['pairs and PPO', TINY, long, of(8, 'sft', 'reward', 'dpo', 'ppo')],
  ['the same, shorter', TINY, short, of(4, 'sft', 'reward', 'dpo', 'ppo')],
  ['other methods', TINY, { prompt: 12, completion: 36 }, of(16, 'orpo', 'kto')],
  ['long prompts', TINY, { prompt: 32, completion: 16 }, of(8, 'reward', 'grpo')],
  ['blocks computed twice', TINY, long, { ...of(16, 'sft'), ...checkpointed }],
  ['all weights', TINY, long, { ...of(16, 'sft'), lora: { ...LORA, use_peft: false } }],
  ['DoRA', TINY, long, { ...of(16, 'sft'), lora: { ...LORA, use_dora: true } }],
  ['Llama, grouped heads', LLAMA, { prompt: 12, completion: 36 }, of(4, 'sft', 'reward', 'ppo')],
  ['the bundled model', STORIES, long, of(4, 'sft')],
  ['the same in four bits', STORIES, long, { ...of(4, 'sft'), ...checkpointed, quantization: 'nf4' }],
  [
    'writing',
    TINY,
    { prompt: 24, completion: 24, watched: true },
    { ...checkpointed, stages: [WRITES, EVALUATION] },
  ],
];

const MiB = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
/** Of all stages on wasm, whose heap keeps the size that the largest gave it. */
let [idle, largest] = [0, 0];

describe.each(['wasm', 'webgpu'] as const)('%s', { timeout: 300_000 }, (backend) => {
  beforeAll(async () => {
    await openDevice(backend, { threads: 1 });
    if (backend === 'webgpu') return;
    idle = memoryInUse().allocatedBytes;
    await measure(TINY, short, of(4, 'sft', 'reward', 'ppo')); // after which the kernels have their working memory
  });

  test.each(['none', 'nf4'] as const)(
    'a model with packing %s goes to the device as it is read',
    async (packing) => {
      trimPool();
      const watch = watchAllocations();
      const before = watch.now();
      // The second finds the buffers of the first in the pool.
      for (const time of ['first', 'second']) {
        const model = await loadModel(STORIES, directory(STORIES), undefined, packing);
        const [stays, most] = [watch.now() - before, watch.peak() - before];
        console.log(`${MiB(stays)} stay, at most ${MiB(most)}`);
        const packed = [...(model.packed?.values() ?? [])].flatMap((matrix) => [
          matrix.packed,
          matrix.scales,
        ]);
        const tensors = [...model.weights.values(), ...packed];
        const bytes = 4 * tensors.reduce((sum, { size }) => sum + size, 0);
        expect(stays, time).toBeGreaterThanOrEqual(bytes);
        expect(most, time).toBeLessThanOrEqual(1.3 * bytes);
        if (backend === 'webgpu') {
          const { tensorMap } = webgpuBackend();
          expect(tensors.filter(({ dataId }) => tensorMap.get(dataId).values !== null)).toEqual([]);
        }
        disposeModel(model);
      }
      watch.stop();
    },
  );

  test.each(cases)('%s', async (_, ...given) => {
    for (const { stage: name, told, taken } of await measure(...given)) {
      console.log(`${name}: took ${MiB(taken)}, told ${(told / taken).toFixed(3)} of it`);
      expect.soft(Math.abs(told / taken - 1), name).toBeLessThanOrEqual(0.15);
      if (backend === 'wasm') largest = Math.max(largest, told);
    }
  });

  // And less: of rows that are shorter, what is padded is not computed.
  test('rows of many lengths take no more than the longest', async () => {
    const { stages } = of(8, 'sft', 'dpo');
    const more = stages.map((some) => ({ ...some, max_steps: 8 }));
    const mixed = await measure(TINY, { ...long, mixed: true }, { stages: more });
    for (const { stage: name, told, taken } of mixed) {
      console.log(`${name}: took ${MiB(taken)}, told ${(told / taken).toFixed(3)} of it`);
      expect.soft(told / taken, name).toBeGreaterThanOrEqual(0.85);
    }
  });
});

test('the wasm heap grows no further than a step beyond what was told', async () => {
  await openDevice('wasm', { threads: 1 });
  const grown = memoryInUse().allocatedBytes - idle;
  console.log(`grown by ${MiB(grown)}, told ${MiB(largest)}`);
  expect(grown).toBeGreaterThan(0);
  expect(grown).toBeLessThanOrEqual(1.15 * largest + 0.2 * (idle + largest));
});
