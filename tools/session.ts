// One worker in a headless Chromium, for the length of a command: our server lends it the directories the command may
// read and write, the host page passes commands in and events out. What the worker reports as an error is thrown here.
import { randomBytes } from 'node:crypto';
import { chromium } from 'playwright';
import { PlaygroundError } from '../src/shared/errors.ts';
import type { BackendName, Command, DeviceReport, Event } from '../src/shared/protocol.ts';
import { findChromium, launchOptions, thisMachine } from './chromium.ts';
import { serve, type Mount } from './server.ts';
import { buildSite, siteFolder } from './site.ts';

export type Backend = BackendName | 'auto';

export interface Session {
  device: DeviceReport;
  /** Sends a command and waits for the first event that `pick` does not answer with undefined. */
  request: <T>(command: Command, pick: (event: Event) => T | undefined) => Promise<T>;
  /** Ends the browser and this process at once, as a power cut would. */
  killEverything: () => never;
}

interface SessionOptions {
  backend: Backend;
  mounts: Record<string, Mount>;
  onEvent?: (event: Event, session: Pick<Session, 'killEverything'>) => void;
}

interface Waiter {
  see: (event: Event) => void;
  fail: (error: Error) => void;
}

/** Opens the device of `backend`, hands the session to `work`, and closes everything whatever happens. */
export async function withSession<T>(
  options: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { backend, mounts, onEvent } = options;
  const { path, how } = findChromium(thisMachine);
  console.error(`Chromium: ${path} (${how})`);
  await buildSite();
  const token = randomBytes(24).toString('hex');
  const server = await serve({ site: siteFolder, port: 0, mounts, token });
  const browserServer = await chromium.launchServer({
    ...launchOptions(backend === 'wasm' ? 'none' : 'any'),
    headless: true,
  });
  const killEverything = (): never => {
    browserServer.process().kill('SIGKILL');
    process.kill(process.pid, 'SIGKILL');
    throw new Error('unreachable: the process has been killed');
  };

  const waiters = new Set<Waiter>();
  const failAll = (error: Error) => waiters.forEach((waiter) => waiter.fail(error));
  const receive = (event: Event) => {
    onEvent?.(event, { killEverything });
    if (event.type === 'error') {
      const { code, message, fix } = event.error;
      failAll(new PlaygroundError(code, realPaths(message, mounts), realPaths(fix, mounts)));
    }
    for (const waiter of [...waiters]) waiter.see(event);
  };

  try {
    const browser = await chromium.connect(browserServer.wsEndpoint());
    const context = await browser.newContext();
    await context.addCookies([
      { name: 'token', value: token, url: server.url, httpOnly: true, sameSite: 'Strict' },
    ]);
    const page = await context.newPage();
    const stopped = (what: string) => () =>
      failAll(
        new PlaygroundError(
          'out-of-memory',
          `${what} while the command was running.`,
          'Most often memory ran out: close other programs or use a smaller model or batch.',
        ),
      );
    page.on('crash', stopped('The browser page crashed'));
    browser.on('disconnected', stopped('The browser ended'));
    page.on('pageerror', (error) => failAll(error));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        console.error(`worker: ${message.text()}`);
    });
    await page.exposeBinding('tell', (_, event: Event) => receive(event));
    await page.goto(`${server.url}tools/host/index.html`);

    const request: Session['request'] = (command, pick) =>
      new Promise((resolve, reject) => {
        const waiter: Waiter = {
          see: (event) => {
            const value = pick(event);
            if (value === undefined) return;
            waiters.delete(waiter);
            resolve(value);
          },
          fail: (error) => {
            waiters.delete(waiter);
            reject(error);
          },
        };
        waiters.add(waiter);
        page
          .evaluate((message) => window.ask(message), command)
          .catch((error: unknown) => waiter.fail(error instanceof Error ? error : new Error(String(error))));
      });

    const device = await request({ type: 'open', backend }, (event) =>
      event.type === 'device' ? event.device : undefined,
    );
    return await work({ device, request, killEverything });
  } finally {
    await browserServer.close();
    await server.close();
  }
}

/** What the worker calls /files/model is a directory a person named: messages name it as they did. */
function realPaths(text: string, mounts: Record<string, Mount>): string {
  return Object.entries(mounts).reduce(
    (message, [name, { directory }]) => message.replaceAll(`/files/${name}`, directory),
    text,
  );
}
