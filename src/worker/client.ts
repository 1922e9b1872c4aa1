// The page's end of the line to the worker, typed; all that anyone outside this folder knows of it.

import type { Command, Event } from '../shared/protocol';

export interface WorkerClient {
  send: (command: Command) => void;
  /** Ends the thread at once; a run goes on from its checkpoint when it is started again. */
  close: () => void;
}

/** Starts a worker; `tell` hears every event, and of a worker that cannot be loaded. */
export function startWorker(tell: (event: Event) => void): WorkerClient {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<Event>) => tell(data);
  worker.onerror = ({ message }) =>
    tell({
      type: 'error',
      request: null,
      error: {
        code: 'bug',
        message: `The worker failed: ${message || 'its script could not be loaded'}.`,
        fix: 'Reload the page; this is a fault of the playground, please report it with this message.',
      },
    });
  return { send: (command) => worker.postMessage(command), close: () => worker.terminate() };
}
