// A graphics device that has no memory left: what it gives is known before a run, which is refused in words where that is
// too little; and a run that meets the end of it under way ends for that reason, with the checkpoint before. A run whose
// device is lost ends likewise, and goes on from there on another to the same end.

import { beforeAll, expect, test } from 'vitest';
import { openDevice } from '../src/engine/device';
import { memoryInUse } from '../src/engine/memory';
import { webgpuBackend } from '../src/engine/private';
import { roomFor } from '../src/engine/webgpu/room';
import { kernelChoice } from '../src/engine/webgpu/tiles';
import type { Event } from '../src/shared/protocol';
import { parseExperiment } from '../src/shared/validate';
import { idbRunStore } from '../src/storage/idb-store';
import { readText } from '../src/storage/run-store';
import { writeTuning } from '../src/storage/tuning-store';
import { Host } from '../src/worker/host';
import { jsonl } from './tiny-run';

const MODEL = 'dir:/tests/fixtures/gpt-neo-tiny/model';
/** Bytes that the software adapter refuses at once. */
const TOO_MUCH = 2 ** 30;

/** Asked what it gives, the device gives no more than so many bytes from now on; returns how to end that. */
function giveAtMost(bytes: number): () => void {
  const { device } = webgpuBackend();
  const create = device.createBuffer.bind(device);
  let left = bytes;
  device.createBuffer = (asked) => {
    if (asked.usage !== GPUBufferUsage.STORAGE) return create(asked); // a tensor's
    left -= asked.size;
    if (left >= 0) return create(asked);
    left += asked.size;
    return create({ ...asked, size: TOO_MUCH });
  };
  return () => void (device.createBuffer = create);
}

const rows = Array.from({ length: 24 }, (_, row) => ({
  prompt_ids: Array.from({ length: 16 }, (_, t) => 1 + ((row + t) % 90)),
  completion_ids: Array.from({ length: 47 }, (_, t) => 1 + ((row * t) % 90)),
}));
const given = {
  ...{ format: 1, model: MODEL, data: { sft: URL.createObjectURL(new Blob([jsonl(rows)])) } },
  lora: { r: 4, lora_alpha: 8, lora_dropout: 0, target_modules: ['q_proj', 'v_proj'] },
  stages: [{ kind: 'sft', per_device_train_batch_size: 8, warmup_steps: 0, max_steps: 4, save_steps: 1 }],
};
const { experiment } = parseExperiment(JSON.stringify(given), 'x.json');

/** Starts the run; all that is told until it has ended. */
function run(runId: string, onEvent: (event: Event) => void = () => {}, resume = false): Promise<Event[]> {
  return new Promise((resolve) => {
    const events: Event[] = [];
    const host = new Host((event) => {
      events.push(event);
      onEvent(event);
      // What ended it is told before or after.
      if (event.type === 'run' && event.state !== 'running') setTimeout(() => resolve(events));
    });
    host.handle({ type: 'open', backend: 'webgpu' });
    host.handle({ type: 'start', runId, experiment, resume });
  });
}

const errorsOf = (events: Event[]) =>
  events.flatMap((event) => (event.type === 'error' ? [event.error] : []));

// As remembered, not measured before the first run.
beforeAll(async () => writeTuning((await openDevice('webgpu')).adapter, kernelChoice()));

test('a device is asked for what a run would take, and has it again afterwards', async () => {
  await openDevice('webgpu');
  const before = memoryInUse();
  expect(await roomFor(10 ** 7 + 1)).toBe(10 ** 7 + 1);
  const end = giveAtMost(5 * 2 ** 20 + 1000);
  expect(await roomFor(10 ** 7)).toBe(5 * 2 ** 20);
  end();
  expect(await roomFor(10 ** 7)).toBe(10 ** 7);
  expect(memoryInUse()).toEqual(before);
});

test('a run that the device has no room for is refused with settings that fit', async () => {
  await openDevice('webgpu');
  const end = giveAtMost(5 * 2 ** 20);
  const events = await run('refused');
  end();
  expect(errorsOf(events)).toEqual([
    expect.objectContaining({
      code: 'out-of-memory',
      message: expect.stringMatching(/^Stage sft would need \d+ MB: .* gives at most \d MB\.$/) as string,
      fix: expect.stringMatching(/^This would fit: /) as string,
    }),
  ]);
  expect(events.some(({ type }) => type === 'stage')).toBe(false);
});

test('a run whose device has no memory left under way fails for that reason', async ({ task }) => {
  task.meta.provokesGpuErrors = true;
  const events = await run('ended', (event) => {
    if (event.type !== 'metrics' || event.row.step !== 2) return;
    webgpuBackend().device.createBuffer({ size: TOO_MUCH, usage: GPUBufferUsage.STORAGE });
  });
  expect(errorsOf(events)).toEqual([expect.objectContaining({ code: 'out-of-memory' })]);
  expect(events.findLast(({ type }) => type === 'run')).toMatchObject({ state: 'failed' });
  expect(events.filter(({ type }) => type === 'metrics').length).toBeLessThan(4);
});

test('a run whose device is lost under way says so and what to do, and resumes to the same bytes', async () => {
  const outcome = async (runId: string) => {
    const store = idbRunStore(runId);
    const timeless = (line: string) => ({ ...(JSON.parse(line) as object), seconds: 0, eps: 0 });
    const metrics = (await readText(store, 'metrics.jsonl'))?.trim().split('\n').map(timeless);
    return { metrics, adapter: await store.read('adapters/sft/adapter_model.safetensors') };
  };
  await run('whole');
  const events = await run('lost', (event) => {
    if (event.type === 'metrics' && event.row.step === 2) webgpuBackend().device.destroy();
  });
  expect(errorsOf(events)).toEqual([
    expect.objectContaining({
      code: 'device-lost',
      message: expect.stringMatching(/^The graphics device was lost: /) as string,
      fix: expect.stringContaining('Resume the run from its last checkpoint') as string,
    }),
  ]);
  expect(events.findLast(({ type }) => type === 'run')).toMatchObject({ state: 'failed' });
  const left = await outcome('lost');
  expect(left.metrics!.length).toBeLessThan(4);

  expect(errorsOf(await run('lost', undefined, true))).toEqual([]);
  const whole = await outcome('whole');
  expect(whole.metrics).toHaveLength(4);
  expect(await outcome('lost')).toEqual(whole);
});
