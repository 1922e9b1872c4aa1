// The device choice on a machine without a GPU, and that both engines compute, clean up and tell their memory.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { onDeviceProblem, openDevice } from '../src/engine/device';
import { memoryInUse, trimPool } from '../src/engine/memory';
import { webgpuBackend } from '../src/engine/private';
import { tf } from '../src/engine/tf';
import { loadModel } from '../src/model/load';
import type { PlaygroundError } from '../src/shared/errors';
import { directory } from './browser-files';
import { useLimits } from './kernels';

const problems: PlaygroundError[] = [];
onDeviceProblem((problem) => problems.push(problem));

afterEach(() => {
  expect(problems.splice(0)).toEqual([]);
});

async function square(): Promise<number[]> {
  const x = tf.tensor1d([1, 2, 3]);
  const y = tf.square(x);
  const values = Array.from(await y.data());
  tf.dispose([x, y]);
  return values;
}

test('a software adapter is passed over for the wasm engine, with the reason', async () => {
  const report = await openDevice('auto');
  expect(report).toMatchObject({ backend: 'wasm', threads: navigator.hardwareConcurrency });
  expect(report.adapter).toMatch(/^CPU, \d+ threads?, SIMD$/);
  expect(report.reason).toMatch(/SwiftShader/);
  expect(await square()).toEqual([1, 4, 9]);
});

test('a forced choice is honoured, and one can go back and forth', async () => {
  expect(await openDevice('webgpu')).toMatchObject({ backend: 'webgpu', adapter: 'SwiftShader' });
  expect(await square()).toEqual([1, 4, 9]);
  expect(await openDevice('wasm', { threads: 1 })).toMatchObject({ backend: 'wasm' });
  expect(await square()).toEqual([1, 4, 9]);
  expect(await openDevice('webgpu')).toMatchObject({ backend: 'webgpu' });
  expect(await square()).toEqual([1, 4, 9]);
});

test('without WebGPU, asking for it says what to do', async () => {
  const gpu = Object.getOwnPropertyDescriptor(Navigator.prototype, 'gpu')!;
  Object.defineProperty(navigator, 'gpu', { value: undefined, configurable: true });
  try {
    await expect(openDevice('webgpu')).rejects.toMatchObject({
      code: 'device-unavailable',
      message: expect.stringContaining('no WebGPU') as string,
      fix: expect.stringContaining('auto') as string,
    });
    expect((await openDevice('auto')).reason).toContain('no WebGPU');
  } finally {
    Reflect.deleteProperty(navigator, 'gpu');
    expect(Object.getOwnPropertyDescriptor(Navigator.prototype, 'gpu')).toEqual(gpu);
  }
});

test.each(['webgpu', 'wasm'] as const)('memory in use is told on %s', async (backend) => {
  await openDevice(backend);
  const before = memoryInUse();
  const x = tf.ones([256, 1024]);
  const y = tf.square(x);
  await y.data();
  const during = memoryInUse();
  expect(during.tensors).toBe(before.tensors + 2);
  expect(during.bytes).toBe(before.bytes + 2 * 2 ** 20);
  expect(during.allocatedBytes).toBeGreaterThanOrEqual(during.bytes);
  tf.dispose([x, y]);
  expect(memoryInUse().tensors).toBe(before.tensors);
});

test('the pool of free GPU buffers can be emptied', async () => {
  await openDevice('webgpu');
  const x = tf.tidy(() => tf.square(tf.ones([1024, 1024])));
  await x.data();
  const held = memoryInUse().allocatedBytes;
  x.dispose();
  expect(memoryInUse().allocatedBytes).toBe(held);
  trimPool();
  expect(memoryInUse().allocatedBytes).toBeLessThanOrEqual(held - 2 * 4 * 2 ** 20);
  expect(await square()).toEqual([1, 4, 9]);
});

describe('on a device that binds little at once', () => {
  beforeAll(() => openDevice('webgpu'));
  useLimits({ maxStorageBufferBindingSize: 16_000 });

  test('a model with a larger tensor is refused by name, before it is read', async () => {
    const before = tf.memory().numTensors;
    const files = directory('fixtures/gpt-neo-tiny/model');
    const read = (path: string) => (path.endsWith('safetensors') ? Promise.resolve(null) : files(path));
    await expect(loadModel('tiny', read)).rejects.toMatchObject({
      code: 'bad-model',
      message: expect.stringMatching(
        /^tiny: "transformer.+" takes .+ MB, .+ at most 0.0 MB at once$/,
      ) as string,
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('an error no caller sees is told', async ({ task }) => {
  task.meta.provokesGpuErrors = true;
  await openDevice('webgpu');
  const { device } = webgpuBackend();
  device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.MAP_WRITE });
  await device.queue.onSubmittedWorkDone(); // the browser passes commands on by and by
  await expect.poll(() => problems.length).toBe(1);
  expect(problems.splice(0)[0]).toMatchObject({
    code: 'bug',
    message: expect.stringContaining('refused') as string,
  });
});

test('a lost device is told, and a new one can be opened', async () => {
  await openDevice('webgpu');
  webgpuBackend().device.destroy();
  await expect.poll(() => problems.length).toBe(1);
  expect(problems.splice(0)[0]).toMatchObject({ code: 'device-lost' });
  expect(await openDevice('webgpu')).toMatchObject({ backend: 'webgpu' });
  expect(await square()).toEqual([1, 4, 9]);
});
