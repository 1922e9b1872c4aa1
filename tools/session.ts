// One worker for the length of a command, in a headless Chromium or under Node: our server lends it the directories the
// command may read and write. What the worker reports as an error is thrown here.
import { randomBytes } from 'node:crypto';
import { PlaygroundError } from '../src/shared/errors.ts';
import type { BackendName, Command, Event } from '../src/shared/protocol.ts';
import { openChromium } from './host/chromium-host.ts';
import { openNode } from './host/node-host.ts';
import { serve, type Mount } from './server.ts';
import { buildSite, siteFolder } from './site.ts';

export const backends = ['auto', 'webgpu', 'wasm'] as const;
export const hosts = ['chromium', 'node'] as const;

/** Where and on what a command computes. */
export interface Place {
  backend: (typeof backends)[number];
  host: (typeof hosts)[number];
}

export interface HostOptions {
  backend: BackendName | 'auto';
  /** The address of our server, and what its /files ask for. */
  url: string;
  token: string;
  tell: (event: Event) => void;
  /** Says that the host has died. */
  fail: (message: string) => void;
}

/** What carries the messages: a browser page or a thread. */
export interface Host {
  send: (command: Command) => Promise<unknown>;
  /** Ends what runs outside of this process at once. */
  kill: () => unknown;
  close: () => Promise<void>;
}

interface SessionOptions extends Place {
  mounts: Record<string, Mount>;
  /** Hears every event; `powerCut` ends everything at once, this process included. */
  onEvent: (event: Event, powerCut: () => void) => void;
}

/** Sends a command and waits for the first event that `pick` does not answer with undefined. */
export type Request = <T>(command: Command, pick: (event: Event) => T | undefined) => Promise<T>;

interface Waiter {
  see: (event: Event) => void;
  fail: (error: Error) => void;
}

/** Opens the device, hands the line to the worker to `work`, and closes everything whatever happens. */
export async function withSession<T>(
  options: SessionOptions,
  work: (request: Request) => Promise<T>,
): Promise<T> {
  const { backend, mounts, onEvent } = options;
  await buildSite();
  const token = randomBytes(24).toString('hex');
  const server = await serve({ site: siteFolder, port: 0, mounts, token });

  const waiters = new Set<Waiter>();
  const failAll = (error: Error) => waiters.forEach((waiter) => waiter.fail(error));
  const tell = (told: Event) => {
    const event = inPersonsWords(told, mounts);
    onEvent(event, () => {
      host.kill();
      process.kill(process.pid, 'SIGKILL');
    });
    if (event.type === 'error')
      failAll(new PlaygroundError(event.error.code, event.error.message, event.error.fix));
    for (const waiter of [...waiters]) waiter.see(event);
  };
  const fail = (message: string) => {
    const fix = 'Most often memory ran out: close other programs, or use a smaller model or batch.';
    failAll(new PlaygroundError('out-of-memory', message, fix));
  };

  const open = options.host === 'node' ? openNode : openChromium;
  const host = await open({ backend, url: server.url, token, tell, fail });
  const request: Request = (command, pick) =>
    new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        waiters.delete(waiter);
        settle();
      };
      const waiter: Waiter = {
        see: (event) => {
          const value = pick(event);
          if (value !== undefined) end(() => resolve(value));
        },
        fail: (error) => end(() => reject(error)),
      };
      waiters.add(waiter);
      host.send(command).catch((error: unknown) => waiter.fail(new Error(String(error))));
    });

  try {
    await request({ type: 'open', backend }, (event) => (event.type === 'device' ? event : undefined));
    return await work(request);
  } finally {
    await host.close();
    await server.close();
  }
}

/** What the worker calls /files/model is a directory a person named: messages name it as they did. */
function inPersonsWords(event: Event, mounts: Record<string, Mount>): Event {
  const words = (text: string) =>
    Object.entries(mounts).reduce(
      (message, [name, { directory }]) => message.replaceAll(`/files/${name}`, directory),
      text.replaceAll('dir:/files/', '/files/'),
    );
  if (event.type === 'model') return { ...event, model: { ...event.model, name: words(event.model.name) } };
  if (event.type !== 'error') return event;
  const { code, message, fix } = event.error;
  return { ...event, error: { code, message: words(message), fix: words(fix) } };
}
