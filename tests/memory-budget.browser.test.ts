// The memory budget against what the device allocates for the very same: load, train one micro-batch, and write with a
// cache. On wasm the heap grows in steps and never shrinks, so there it is one model and one length a heap.

import { expect, test } from 'vitest';
import { openDevice } from '../src/engine/device';
import { memoryInUse, trimPool } from '../src/engine/memory';
import { generate } from '../src/model/generate';
import { disposeModel, loadModel } from '../src/model/load';
import { completionLogprobs } from '../src/model/logprobs';
import { Adapter } from '../src/model/lora';
import { shapeOf } from '../src/model/shape';
import type { LoraSettings, Quantization } from '../src/shared/experiment';
import { activationBytes, adapterParameters, cacheBytes, weightBytes } from '../src/shared/memory-budget';
import { sftLoss } from '../src/train/losses';
import { accumulateGradients, AdamW } from '../src/train/optimizer';
import { directory } from './browser-files';

const steady = { adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, weight_decay: 0, max_grad_norm: 1 };
const lora = {
  r: 8,
  lora_alpha: 16,
  lora_dropout: 0,
  target_modules: ['q_proj', 'v_proj'],
  use_rslora: false,
};

/** Bytes the device holds after one training step over batch × length tokens, and what the budget says. */
async function trainOnce(
  path: string,
  batch: number,
  length: number,
  quantization: Quantization = 'none',
  gradientCheckpointing = false,
  way: Partial<LoraSettings> = {},
) {
  const settings = { ...lora, ...way };
  trimPool();
  const before = memoryInUse().allocatedBytes;
  const loaded = await loadModel(path, directory(path), undefined, quantization);
  const model = { ...loaded, gradientCheckpointing };
  const adapter = Adapter.create(model, settings, 1);
  const optimizer = new AdamW(adapter.variables);
  const tokens = batch * length;
  const data = {
    ids: new Int32Array(tokens).fill(3),
    mask: new Int32Array(tokens).fill(1),
    completion: Int32Array.from({ length: tokens }, (_, i) => Number(i % length >= length / 2)),
    batch,
    length,
  };
  const loss = () =>
    sftLoss(completionLogprobs(model, adapter, data, { temperature: 1 }).logprobs, tokens / 2);
  const grads = accumulateGradients(loss, [...adapter.variables.values()], null);
  await optimizer.update(grads, 1e-3, steady);
  const shape = shapeOf(model);
  const predicted =
    weightBytes(shape, quantization) +
    16 * adapterParameters(shape, settings, false) +
    activationBytes(shape, settings, { tokens, rows: tokens / 2 }, gradientCheckpointing);
  optimizer.dispose();
  adapter.dispose();
  disposeModel(model);
  return { allocated: memoryInUse().allocatedBytes - before, predicted };
}

const STORIES = '../models/stories-neo';
const TINY = 'fixtures/gpt-neo-tiny/model';
const LLAMA = 'fixtures/llama-stories260K';

function within15(kase: string, { allocated, predicted }: { allocated: number; predicted: number }): void {
  console.log(
    `${kase}: ${(allocated / 2 ** 20).toFixed(1)} MiB, budget ${(predicted / allocated).toFixed(3)} of it`,
  );
  expect(Math.abs(predicted / allocated - 1), kase).toBeLessThanOrEqual(0.15);
}

test('training on webgpu', { timeout: 240_000 }, async () => {
  await openDevice('webgpu');
  const cases = [
    [TINY, 4, 32, 'none', false],
    [TINY, 16, 64, 'none', false],
    [TINY, 16, 64, 'none', true],
    [LLAMA, 4, 64, 'none', false],
    [STORIES, 4, 64, 'none', false],
    [STORIES, 4, 64, 'nf4', true],
  ] as const;
  for (const [path, batch, length, quantization, checkpointing] of cases) {
    within15(
      `webgpu ${path} ${batch} × ${length} ${quantization}${checkpointing ? ', checkpointed' : ''}`,
      await trainOnce(path, batch, length, quantization, checkpointing),
    );
  }
});

test('training all weights, and DoRA, on webgpu', { timeout: 240_000 }, async () => {
  await openDevice('webgpu');
  const whole = { use_peft: false };
  const cases = [
    [TINY, 16, 64, false, whole],
    [TINY, 16, 64, true, whole],
    [TINY, 16, 64, false, { use_dora: true }],
  ] as const;
  for (const [path, batch, length, checkpointing, way] of cases) {
    within15(
      `webgpu ${path} ${batch} × ${length} ${JSON.stringify(way)}${checkpointing ? ', checkpointed' : ''}`,
      await trainOnce(path, batch, length, 'none', checkpointing, way),
    );
  }
});

test('writing with a cache on webgpu', { timeout: 120_000 }, async () => {
  await openDevice('webgpu');
  for (const [path, batch] of [
    [TINY, 8],
    [STORIES, 4],
  ] as const) {
    trimPool();
    const before = memoryInUse().allocatedBytes;
    const model = await loadModel(path, directory(path));
    const adapter = Adapter.create(model, lora, 1);
    const prompts = Array.from({ length: batch }, (_, b) => [3 + b, 4, 5, 6, 7, 8]); // equal ones are read once
    const sampling = { minNewTokens: 20, temperature: 1, topK: 0, topP: 1, seed: 1 };
    await generate(model, adapter, prompts, {
      ...sampling,
      maxNewTokens: 20,
      streams: prompts.map((_, i) => i),
    });
    const shape = shapeOf(model);
    const predicted = weightBytes(shape) + cacheBytes(shape, { batch, slots: 48, prompt: 16 });
    adapter.dispose();
    disposeModel(model);
    within15(`webgpu ${path} writing`, { allocated: memoryInUse().allocatedBytes - before, predicted });
  }
});

test('training on wasm', { timeout: 120_000 }, async () => {
  await openDevice('wasm');
  const idle = memoryInUse().allocatedBytes; // the heap is that large before anything lies on it
  const { allocated, predicted } = await trainOnce(STORIES, 8, 64);
  within15('wasm stories-neo 8 × 64', { allocated: idle + allocated, predicted });
});
