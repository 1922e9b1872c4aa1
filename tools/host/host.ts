// The page that headless Chromium opens for the command line: it starts the same worker as the page a person sees, and
// passes commands in and events out through the two functions that tools/session.ts binds here.
import type { Command, Event } from '../../src/shared/protocol.ts';

declare global {
  interface Window {
    /** Bound by Playwright: hands an event to the command line. */
    tell: (event: Event) => Promise<void>;
    /** Called by Playwright: hands a command to the worker. */
    ask: (command: Command) => void;
  }
}

const worker = new Worker(new URL('../../src/worker/worker.ts', import.meta.url), { type: 'module' });
worker.onmessage = ({ data }: MessageEvent<Event>) => void window.tell(data);
worker.onerror = ({ message }) =>
  void window.tell({
    type: 'error',
    request: null,
    error: {
      code: 'bug',
      message: `The worker failed: ${message || 'its script could not be loaded'}`,
      fix: 'This is a fault of the playground; please report it with this message.',
    },
  });
window.ask = (command) => worker.postMessage(command);
