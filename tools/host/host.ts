// The page that headless Chromium opens for the command line: it starts the same worker as the page a person sees, and
// passes commands in and events out through the two functions that tools/session.ts binds here.
import type { Command, Event } from '../../src/shared/protocol.ts';
import { startWorker } from '../../src/worker/client.ts';

declare global {
  interface Window {
    /** Bound by Playwright: hands an event to the command line. */
    tell: (event: Event) => Promise<void>;
    /** Called by Playwright: hands a command to the worker. */
    ask: (command: Command) => void;
  }
}

window.ask = startWorker((event) => void window.tell(event)).send;
