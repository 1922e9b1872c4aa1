// Before the tests of the project `gpu`: gives Node what they know of a browser, which is Dawn as its WebGPU, and the
// files of this repository by the addresses the browser's server has them under.
import { readFile } from 'node:fs/promises';
import { openDawn } from '../tools/host/dawn.mjs';

Object.defineProperty(globalThis, 'navigator', {
  value: { gpu: await openDawn(), hardwareConcurrency: 1 },
  configurable: true,
});
globalThis.fetch = async (address) => {
  const path = address as string;
  const bytes = await readFile(`.${path}`).catch(() => readFile(`public${path}`).catch(() => null));
  return new Response(bytes && new Uint8Array(bytes), { status: bytes ? 200 : 404 });
};
