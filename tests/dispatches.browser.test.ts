// A training step is few commands, at most 30 dispatches a layer and 20 beside them with LoRA on all that the default
// experiment adapts, and one wait for the device, when all of them are on their way.
import { expect, test, vi } from 'vitest';
import { disposeModel, loadModel } from '../src/model/load';
import { Adapter } from '../src/model/lora';
import { defaultStage } from '../src/shared/validate';
import { startPolicy } from '../src/train/rows';
import { sft } from '../src/train/sft';
import { disposeState } from '../src/train/state';
import { directory } from './browser-files';
import { useDevice } from './kernels';
import { tinyMethods } from './tiny-methods';

useDevice('webgpu');

test.each([
  ['of one length', 32, 7],
  ['with padding and beginnings in common', 17, 0],
])('an SFT step over texts %s takes at most 30 dispatches a layer and 20 more', async (_, least, apart) => {
  const path = 'fixtures/gpt-neo-tiny/model';
  const model = await loadModel(path, directory(path));
  const targets = ['q_proj', 'v_proj', 'c_fc', 'c_proj'];
  const lora = { r: 8, lora_alpha: 16, lora_dropout: 0, target_modules: targets, use_rslora: false };
  const start = Adapter.create(model, lora, 1);
  const state = startPolicy(start);
  const train = Array.from({ length: 4 }, (_, row) => ({
    ids: Array.from({ length: least + (row * (32 - least)) / 3 }, (_, i) => 1 + ((apart * row + i) % 40)),
    promptLength: 16,
    prompt: '',
  }));
  const stage = { ...defaultStage('sft'), max_steps: 10, per_device_train_batch_size: 4 };
  const context = { model, name: 'sft', seed: 1, train, heldOut: [], onSample: () => undefined };
  const steps = sft(context, stage, state);
  await steps.next();
  const dispatches = vi.spyOn(GPUComputePassEncoder.prototype, 'dispatchWorkgroups');
  await steps.next();
  const count = dispatches.mock.calls.length;
  dispatches.mockRestore();
  expect(count).toBeGreaterThan(10);
  expect(count).toBeLessThanOrEqual(30 * model.config.layers + 20);
  start.dispose();
  disposeState(state);
  disposeModel(model);
});

test('a training step waits for the device once, after its last command', async () => {
  const path = 'fixtures/gpt-neo-tiny/model';
  const model = await loadModel(path, directory(path));
  const { start, methods } = tinyMethods(model);
  for (const name of ['sft', 'reward', 'dpo', 'orpo', 'simpo', 'pretrain']) {
    const { state, steps } = await methods[name]!();
    await steps.next(); // what is known before the first step is read with it
    const dispatches = vi.spyOn(GPUComputePassEncoder.prototype, 'dispatchWorkgroups');
    const waits = vi.spyOn(GPUBuffer.prototype, 'mapAsync');
    await steps.next();
    expect(waits, name).toHaveBeenCalledOnce();
    expect(waits.mock.invocationCallOrder[0], name).toBeGreaterThan(
      dispatches.mock.invocationCallOrder.at(-1),
    );
    waits.mockRestore();
    dispatches.mockRestore();
    disposeState(state);
  }
  start.dispose();
  disposeModel(model);
});
