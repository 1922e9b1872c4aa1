// One of those compared, in a Node process: its WebGPU is Dawn's, files of the site are read from the disk.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer } from 'vite';
import { openDawn } from '../tools/host/dawn.mjs';

Object.defineProperty(globalThis, 'navigator', {
  value: { gpu: await openDawn(), hardwareConcurrency: 1 },
  configurable: true,
});
globalThis.fetch = async (path) => {
  const bytes = await readFile(join('.', path)).catch(() => null);
  return new Response(bytes, { status: bytes ? 200 : 404 });
};

const server = await createServer({
  logLevel: 'error',
  cacheDir: 'build/bench-cache',
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
});
const { serve } = await server.ssrLoadModule('/bench/worker.ts');
process.on('message', async (request) => process.send(await serve(request)));
process.on('disconnect', () => process.exit()); // Dawn's threads would keep it
