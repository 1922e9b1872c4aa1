// Where those compared sit: each in a page of one browser, in a worker of its own; or, with `--host node`, each in a
// process whose WebGPU is Dawn's. They answer one request at a time, and nobody computes while another does.
import { fork } from 'node:child_process';
import { chromium, type Browser, type BrowserContext } from 'playwright';
import { createServer } from 'vite';
import { launchOptions, type Gpu } from '../tools/chromium.ts';
import { softwareVulkan } from '../tools/host/node-host.ts';
import type { Name } from './plan.ts';
import type { Answer, Request } from './worker.ts';

export interface Seat {
  ask(request: Request): Promise<unknown>;
  close(): Promise<void>;
}

export interface Hall {
  /** Of the browser, or of Node. */
  version: string;
  /** A new one; what the browser remembers (scripts, tuning) it remembers for each name. */
  seat(name: Name): Promise<Seat>;
  close(): Promise<void>;
}

/** Milliseconds that an answer may take; who takes longer has left. */
const patience = 240_000;

/** A seat whose occupant is sent away when an answer does not come. */
function seatOf(ask: (request: Request) => Promise<unknown>, close: () => Promise<void>): Seat {
  let gone = false;
  return {
    async ask(request) {
      if (gone) throw new Error('has left before');
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          gone = true;
          void close();
          reject(new Error(`gave no answer in ${patience / 1000} s`));
        }, patience);
      });
      const answer = ask(request);
      answer.catch(() => undefined); // where it comes after all, as an error
      try {
        return unwrap(await Promise.race([answer, late]));
      } finally {
        clearTimeout(timer);
      }
    },
    close,
  };
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function unwrap(answer: unknown): unknown {
  if (!isObject(answer)) throw new Error('no answer');
  if ('error' in answer) throw new Error(String(answer.error));
  return 'result' in answer ? answer.result : undefined;
}

export async function openBrowser(backend: 'wasm' | 'webgpu'): Promise<Hall> {
  const server = await createServer({
    logLevel: 'error',
    appType: 'mpa', // what is missing is missing, and not the page
    cacheDir: 'build/bench-cache',
    server: { port: 0, hmr: false, watch: null },
    // Found at once rather than while something is measured.
    optimizeDeps: { entries: ['bench/contestants/*.ts'] },
  });
  await server.listen();
  const url = `${server.resolvedUrls?.local[0] ?? ''}bench/page.html`;
  const browser = backend === 'webgpu' ? await withAdapter(url) : await launch('none');
  const contexts = new Map<Name, BrowserContext>();
  return {
    version: `Chromium ${browser.version()}`,
    async seat(name) {
      const context = contexts.get(name) ?? (await browser.newContext());
      contexts.set(name, context);
      const page = await context.newPage();
      page.on('pageerror', ({ message }) => console.error(`page: ${message}`));
      page.on('console', (said) => {
        if (said.type() === 'error') console.error(`page: ${said.text()}`);
      });
      await page.goto(url);
      const worker = await page.evaluateHandle(() => new Worker('/bench/worker.ts', { type: 'module' }));
      const ask = (request: Request): Promise<unknown> =>
        worker.evaluate(
          (of, message) =>
            new Promise<unknown>((resolve, reject) => {
              of.onmessage = ({ data }) => resolve(data);
              of.onerror = ({ message: what }) => reject(new Error(what));
              of.postMessage(message);
            }),
          request,
        );
      return seatOf(ask, () => page.close());
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

/** Chromium ends a GPU process that is busy for some seconds, as compiling for a software adapter can be. */
function launch(gpu: Gpu): Promise<Browser> {
  const { executablePath, args } = launchOptions(gpu);
  return chromium.launch({ executablePath, args: [...args, '--disable-gpu-watchdog'] });
}

/** A browser that has an adapter: this machine's, or where it has none, the software one that Chromium brings. */
async function withAdapter(url: string): Promise<Browser> {
  const browser = await launch('any');
  const page = await browser.newPage();
  await page.goto(url);
  const found = await page.evaluate(async () => (await navigator.gpu.requestAdapter()) !== null);
  await page.close();
  if (found) return browser;
  await browser.close();
  return launch('software');
}

export function openNode(): Hall {
  return {
    version: `Node ${process.version} with Dawn`,
    seat() {
      const child = fork('bench/node-seat.mjs', {
        serialization: 'advanced',
        env: { ...process.env, ...softwareVulkan() },
      });
      const ask = (request: Request) =>
        new Promise<Answer>((resolve, reject) => {
          const ended = () => reject(new Error('its process ended'));
          child.once('exit', ended);
          child.once('message', (answer) => {
            child.off('exit', ended);
            resolve(answer as Answer);
          });
          child.send(request);
        });
      const close = () => {
        child.kill();
        return Promise.resolve();
      };
      return Promise.resolve(seatOf(ask, close));
    },
    close: () => Promise.resolve(),
  };
}
