// What was measured to be fastest is kept in this browser by the adapter's name, and in the checkpoints of a run.
import { afterEach, expect, test, vi } from 'vitest';
import { DEFAULT_CHOICE, type KernelChoice, kernelChoice, useKernels } from '../src/engine/webgpu/tiles';
import { loadCheckpoint, type Origin, saveCheckpoint } from '../src/experiment/checkpoint';
import type { DeviceReport } from '../src/shared/protocol';
import { defaultStage } from '../src/shared/validate';
import { readTuning, writeTuning } from '../src/storage/tuning-store';
import { chooseKernels } from '../src/worker/tuning';
import { MemoryStore } from './memory-store';

const measured: KernelChoice = { small: '4x8', medium: '8x8 staged', large: '16x8', halves: true };
const tune = vi.fn(() => Promise.resolve(measured));

const on = (adapter: string): DeviceReport => ({ backend: 'webgpu', adapter, reason: '', threads: 1 });

afterEach(() => {
  useKernels(DEFAULT_CHOICE);
  tune.mockClear();
});

test('each adapter is measured once', async () => {
  for (const adapter of ['one', 'another']) {
    await chooseKernels(on(adapter), tune);
    expect(kernelChoice()).toEqual(measured);
    expect(await readTuning(adapter)).toEqual(measured);
  }
  expect(tune).toHaveBeenCalledTimes(2);
  const remembered = { ...measured, large: '8x4' };
  await writeTuning('one', remembered);
  await chooseKernels(on('one'), tune);
  expect(kernelChoice()).toEqual(remembered);
  expect(tune).toHaveBeenCalledTimes(2);
});

test('what another version remembered is measured again where this one does not know it', async () => {
  await writeTuning('old', { ...measured, small: '3x3' });
  await chooseKernels(on('old'), tune);
  await writeTuning('older', { small: '4x8', medium: '8x8', large: '16x8' });
  await chooseKernels(on('older'), tune);
  expect(tune).toHaveBeenCalledTimes(2);
  for (const adapter of ['old', 'older']) expect(await readTuning(adapter)).toEqual(measured);
});

test('the processor has nothing to choose', async () => {
  await chooseKernels({ ...on('CPU'), backend: 'wasm' }, tune);
  expect(tune).not.toHaveBeenCalled();
  expect(await readTuning('CPU')).toBeNull();
});

test('a run goes on with the tiles that its checkpoint was computed with, not with those measured since', async () => {
  const store = new MemoryStore();
  const experiment = {
    ...{ format: 1 as const, name: 'run', model: 'tiny', seed: 1, data: { sft: 'sft.jsonl' } },
    lora: { r: 2, lora_alpha: 4, lora_dropout: 0, target_modules: ['q_proj'], use_rslora: false },
    stages: [defaultStage('sft')],
  };
  const origin: Origin = { experiment, backend: 'webgpu', fingerprints: {} };
  const found = { evaluation: {}, comparisons: {}, findings: {} };
  const progress = { stage: 0, seconds: {}, lines: {}, found };
  useKernels(measured);
  await saveCheckpoint(store, origin, progress, null);
  useKernels(DEFAULT_CHOICE);
  await loadCheckpoint(store, origin);
  expect(kernelChoice()).toEqual(measured);
});
