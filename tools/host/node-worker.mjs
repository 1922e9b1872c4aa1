// Dresses a Node process as a browser's worker, then loads the built worker script into it: `self`, messages, `fetch` from
// our server with its token, and WebGPU by Dawn.
import { register } from 'node:module';
import { openDawn } from './dawn.mjs';

const [script, token, backend] = process.argv.slice(2);
const node = process;

register('./http-modules.mjs', import.meta.url);

const networkFetch = globalThis.fetch;

function fetch(input, init = {}) {
  const address = new URL(input, script);
  if (address.origin !== new URL(script).origin) return networkFetch(address, init);
  return networkFetch(address, { ...init, headers: { ...init.headers, cookie: `token=${token}` } });
}

const replace = (name, value) =>
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });

replace('navigator', {
  gpu: backend === 'wasm' ? undefined : await openDawn(),
  hardwareConcurrency: 1,
  userAgent: 'Node',
});
replace('self', globalThis);
replace('location', new URL(script));
replace('fetch', fetch);
replace('postMessage', (message) => node.send(message));
// What tfjs knows a browser's worker by; it must find neither WebGL, nor Node, nor shared memory for threads.
replace('WorkerGlobalScope', Object);
replace('importScripts', () => {
  throw new Error('a module worker imports no scripts');
});
replace('OffscreenCanvas', function OffscreenCanvas() {
  return { getContext: () => null, addEventListener: () => {} };
});
replace('process', undefined);
delete globalThis.SharedArrayBuffer;

await import(script);

node.on('message', (data) => globalThis.onmessage({ data }));
node.on('disconnect', () => node.exit());
node.send('ready');
