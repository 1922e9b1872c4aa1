// The page's end of the line to the worker, typed; all that anyone outside this folder knows of it.

import type { PlainError } from '../shared/errors';
import type { Command, Event } from '../shared/protocol';

export interface WorkerClient {
  send: (command: Command) => void;
  /** Ends the thread at once; a run goes on from its checkpoint when it is started again. */
  close: () => void;
}

/** Starts a worker; `tell` hears every event, and `died` of one that could not be loaded or that a fault nobody caught
 *  has ended. */
export function startWorker(
  tell: (event: Event) => void,
  died = (error: PlainError): void => tell({ type: 'error', request: null, error }),
): WorkerClient {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<Event>) => tell(data);
  worker.onerror = ({ message }) =>
    died({
      code: 'worker-died',
      message: `What computes has ended: ${message || 'its script could not be loaded'}.`,
      fix: 'Go on from the last checkpoint; what was kept is not lost.',
    });
  return { send: (command) => worker.postMessage(command), close: () => worker.terminate() };
}
