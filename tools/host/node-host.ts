// The worker under Node, in a process that node-worker.mjs dresses as a browser's worker: the same built script as the
// page's. One wasm thread computes there, or Dawn with a GPU (or, asked for WebGPU without one, Chromium's SwiftShader).
import { fork } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { PlaygroundError } from '../../src/shared/errors.ts';
import type { Event } from '../../src/shared/protocol.ts';
import { findChromium, thisMachine } from '../chromium.ts';
import { root } from '../once.mjs';
import type { Host, HostOptions } from '../session.ts';
import { siteFolder } from '../site.ts';

const driverName = 'vk_swiftshader_icd.json';

/** What Chromium ships that lets Dawn compute without a GPU: a Vulkan loader and a software driver. */
export function softwareVulkan(): Record<string, string> {
  const { path } = findChromium(thisMachine);
  const folders = [dirname(realpathSync(path)), '/usr/lib/chromium'];
  const folder = folders.find((place) => existsSync(join(place, driverName)));
  if (folder === undefined) return {};
  const libraries = [process.env['LD_LIBRARY_PATH'], folder].filter((place) => place).join(delimiter);
  return { LD_LIBRARY_PATH: libraries, SOFTWARE_VULKAN: join(folder, driverName) };
}

export async function openNode({ backend, url, token, tell, fail }: HostOptions): Promise<Host> {
  const assets = join(siteFolder, 'assets');
  const script = readdirSync(assets).find((name) => name.startsWith('worker-worker-'));
  if (script === undefined) {
    throw new PlaygroundError('not-found', `${assets} holds no worker.`, 'Run npm run build.');
  }
  const settings = [`${url}assets/${script}`, token, backend];
  const child = fork(join(root, 'tools/host/node-worker.mjs'), settings, {
    serialization: 'advanced',
    env: { ...process.env, ...(backend === 'webgpu' ? softwareVulkan() : {}) },
  });
  child.on('exit', () => fail('The worker process ended.'));
  await new Promise<unknown>((ready, failed) => {
    child.once('message', ready);
    child.once('error', failed);
    child.once('exit', () => failed(new Error('The worker process ended before it was ready.')));
  });
  child.on('message', (event) => tell(event as Event));
  const kill = () => child.kill('SIGKILL');
  return {
    send: (command) =>
      new Promise<void>((sent, failed) => {
        child.send(command, (error) => (error ? failed(error) : sent()));
      }),
    kill,
    close: () => {
      kill();
      return Promise.resolve();
    },
  };
}
