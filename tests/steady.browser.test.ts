// A long run holds as much as a short one: from the second step on, neither a tensor nor a byte in use is added or missing
// between two steps, whatever lengths their rows have, and neither the pool nor the heap grows. `FULL=1` takes 1,000 steps
// of SFT and 200 updates of PPO.

import { describe, expect, test } from 'vitest';
import { openDevice } from '../src/engine/device';
import { memoryInUse, SLACK, trimPool } from '../src/engine/memory';
import { hash32 } from '../src/engine/random';
import { disposeModel, loadModel } from '../src/model/load';
import { parseExperiment } from '../src/shared/validate';
import { watchAllocations } from './allocations';
import { directory } from './browser-files';
import { full } from './full';
import { jsonl, tinyRun } from './tiny-run';

const MODEL = 'fixtures/gpt-neo-tiny/model';
const [ROWS, BATCH, LONGEST] = [24, 4, 48];

/** As many tokens as a hash says, up to `longest`. */
const ids = (longest: number, row: number, part: number): number[] =>
  Array.from({ length: 1 + (hash32(row, part) % longest) }, (_, t) => 1 + (hash32(row, part, t) % 90));
const rows = Array.from({ length: ROWS }, (_, row) => ({
  prompt_ids: ids(LONGEST / 2, row, 0),
  completion_ids: ids(LONGEST / 2, row, 1),
}));
const files: Record<string, string> = {
  'sft.jsonl': jsonl(rows),
  'prompts.jsonl': jsonl(rows.map(({ prompt_ids }) => ({ prompt_ids }))),
};

const all = { per_device_train_batch_size: BATCH, warmup_steps: 0, save_steps: 10_000 };
const sft = (steps: number) => ({
  ...{ ...all, kind: 'sft', max_steps: steps },
  ...{ eval_fraction: 0.25, eval_steps: 4, early_stopping_patience: null },
});
/** 12 go through the prompts twice, so that each half has seen the longest. */
const ppo = (steps: number) => ({
  ...{ ...all, kind: 'ppo', total_episodes: steps * BATCH, num_ppo_epochs: 2, num_mini_batches: 2 },
  ...{ response_length: 16, reward: { kind: 'tokens', weights: { a: 1 } } },
});

describe.each(['wasm', 'webgpu'] as const)('%s', { timeout: full ? 3_600_000 : 120_000 }, (backend) => {
  test.each([
    ['steps of SFT', full ? 1000 : 32, sft],
    ['updates of PPO', full ? 200 : 12, ppo],
  ])('%s', async (name, steps, stage) => {
    const device = await openDevice(backend, { threads: 1 });
    trimPool();
    const watch = watchAllocations();
    const given = {
      ...{ format: 1, model: MODEL, data: { sft: 'sft.jsonl', prompts: 'prompts.jsonl' } },
      lora: { ...{ r: 4, lora_alpha: 8, lora_dropout: 0 }, target_modules: ['q_proj', 'v_proj'] },
      stages: [stage(steps)],
    };
    const { experiment } = parseExperiment(JSON.stringify(given), 'x.json');
    const seen: { tensors: number; used: number; allocated: number; peak: number }[] = [];
    const model = await loadModel(MODEL, directory(MODEL));
    await tinyRun({
      ...{ experiment, model, device },
      readData: ({ path }) => Promise.resolve(path in files ? new TextEncoder().encode(files[path]) : null),
      tell: ({ type }) => {
        if (type !== 'metrics') return;
        const { tensors, allocatedBytes: allocated } = memoryInUse();
        seen.push({ tensors, used: watch.used(), allocated, peak: watch.peak() });
      },
    });
    watch.stop();
    disposeModel(model);
    const most = (part: typeof seen, what: keyof (typeof seen)[0]): number =>
      Math.max(...part.map((step) => step[what]));
    console.log(`${steps} ${name}: ${JSON.stringify([seen[1], most(seen, 'peak'), watch.mostUsed()])}`);
    expect(seen).toHaveLength(steps);
    const { tensors, used } = seen[1]!;
    expect(new Set(seen.slice(1).map((step) => step.tensors))).toEqual(new Set([tensors]));
    expect(new Set(seen.slice(1).map((step) => step.used))).toEqual(new Set([used]));
    // What is allocated grows no more once the largest batch was there; a pool may fill up to its bound.
    const slack = backend === 'webgpu' ? SLACK : 1;
    const [first, second] = [seen.slice(0, steps / 2), seen.slice(steps / 2)];
    expect(most(second, 'allocated')).toBeLessThanOrEqual(slack * most(first, 'allocated'));
    expect(most(seen, 'peak')).toBeLessThanOrEqual(slack * watch.mostUsed());
  });
});
