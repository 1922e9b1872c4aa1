// The page's end of the line to the worker, typed; all that anyone outside this folder knows of it.

import type { PlainError } from '../shared/errors';
import type { Command, Event } from '../shared/protocol';
import { type Alive, whenEnded } from './life';

export interface WorkerClient {
  send: (command: Command) => void;
  /** Ends the thread at once; a run goes on from its checkpoint when it is started again. */
  close: () => void;
}

/** Starts a worker; `tell` hears every event, and `died` of one that could not be loaded, that a fault nobody caught has
 *  ended, or that is gone without a word. */
export function startWorker(
  tell: (event: Event) => void,
  died = (error: PlainError): void => tell({ type: 'error', request: null, error }),
): WorkerClient {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const closed = new AbortController();
  const end = (why: string): void =>
    died({
      code: 'worker-died',
      message: `What computes has ended: ${why}.`,
      fix: 'Go on from the last checkpoint; what was kept is not lost.',
    });
  const follow = async ({ lock }: Alive): Promise<void> => {
    if (await whenEnded(lock, closed.signal)) end('the browser has closed it, perhaps for want of memory');
  };
  worker.onmessage = ({ data }: MessageEvent<Event | Alive>) => {
    if (data.type === 'alive') void follow(data);
    else tell(data);
  };
  worker.onerror = ({ message }) => end(message || 'its script could not be loaded');
  const close = (): void => {
    closed.abort();
    worker.terminate();
  };
  return { send: (command) => worker.postMessage(command), close };
}
