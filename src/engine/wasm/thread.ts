// A thread of the kernels: the same module over the same memory, waiting for units of work until its page goes.

import type { Exports, ThreadStart } from './machine';

self.onmessage = async ({ data }: MessageEvent<ThreadStart>) => {
  const { module, memory, control, thread } = data;
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  self.postMessage('ready');
  (exports as unknown as Exports).serve?.(control, thread);
};
