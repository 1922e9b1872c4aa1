// Before the tests of every file that may open a GPU: a test fails in which the GPU reported an error that nobody caught,
// whoever opened the device. One that provokes such an error says so with `task.meta.provokesGpuErrors = true`.
import { afterEach, expect } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    provokesGpuErrors?: boolean;
  }
}

const devices = new Set<GPUDevice>();
const errors: string[] = [];

interface Adapter {
  requestDevice: (this: GPUAdapter, descriptor?: GPUDeviceDescriptor) => Promise<GPUDevice>;
}

const adapters: Adapter = GPUAdapter.prototype;
const open = adapters.requestDevice;
adapters.requestDevice = async function (descriptor) {
  const device = await open.call(this, descriptor);
  devices.add(device);
  device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
  void device.lost.then(() => devices.delete(device));
  return device;
};

afterEach(async ({ task }) => {
  await Promise.all(Array.from(devices, (device) => device.queue.onSubmittedWorkDone()));
  const seen = errors.splice(0);
  if (!task.meta.provokesGpuErrors) expect(seen, 'errors of the GPU').toEqual([]);
});
