// The worker under Node, in a thread that node-thread.mjs dresses as a browser's worker: the same built script as the
// page's. One wasm thread computes there, or Dawn with a GPU (or, asked for WebGPU without one, Chromium's SwiftShader).
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { PlaygroundError } from '../../src/shared/errors.ts';
import type { Event } from '../../src/shared/protocol.ts';
import { findChromium, thisMachine } from '../chromium.ts';
import { root } from '../once.mjs';
import type { Host, HostOptions } from '../session.ts';
import { siteFolder } from '../site.ts';

/** The driver of the software adapter that ships with Chromium, for machines without a GPU. */
function softwareDriver(): string | null {
  const { path } = findChromium(thisMachine);
  const places = [dirname(realpathSync(path)), '/usr/lib/chromium'];
  return places.map((folder) => join(folder, 'vk_swiftshader_icd.json')).find(existsSync) ?? null;
}

export async function openNode({ backend, url, token, tell, fail }: HostOptions): Promise<Host> {
  const assets = join(siteFolder, 'assets');
  const script = readdirSync(assets).find((name) => name.startsWith('worker-worker-'));
  if (script === undefined) {
    throw new PlaygroundError('not-found', `${assets} holds no worker.`, 'Run npm run build.');
  }
  const thread = new Worker(join(root, 'tools/host/node-thread.mjs'), {
    env: SHARE_ENV,
    workerData: {
      script: `${url}assets/${script}`,
      token,
      gpu: backend !== 'wasm',
      driver: backend === 'webgpu' ? softwareDriver() : null,
    },
  });
  thread.on('error', (error) => fail(`The worker thread failed: ${String(error)}`));
  thread.on('exit', () => fail('The worker thread ended.'));
  await new Promise<void>((ready, failed) => {
    thread.once('message', ready);
    thread.once('error', failed);
    thread.once('exit', () => failed(new Error('The worker thread ended before it was ready.')));
  });
  thread.on('message', (event: Event) => tell(event));
  return {
    send: (command) => {
      thread.postMessage(command);
      return Promise.resolve();
    },
    kill: () => true,
    close: async () => {
      await thread.terminate();
    },
  };
}
