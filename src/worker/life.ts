// How the page knows that its worker lives, whatever way it ends: the worker holds a lock of the browser, which takes it
// away with the thread. Whoever asks for the lock after that waits for the worker's end and for nothing else: no time is
// measured that a tab in the background or the compiling of a shader could stretch.

/** The worker's first word: it holds the lock of this name. */
export interface Alive {
  type: 'alive';
  lock: string;
}

/** Absent where the page came over plain http, and outside browsers. */
const lockManager = (): LockManager | undefined => (navigator as { locks?: LockManager }).locks;

/** In the worker: holds a lock for as long as the thread lives, and says so once it has it. */
export function holdLife(say: (word: Alive) => void): void {
  const locks = lockManager();
  if (!locks) return;
  const lock = `rlhf-worker ${crypto.randomUUID()}`;
  void locks.request(lock, () => {
    say({ type: 'alive', lock });
    return new Promise(() => undefined);
  });
}

/** In the page: resolves with true once the worker that holds the lock has ended, with false if `signal` gives it up. */
export async function whenEnded(lock: string, signal: AbortSignal): Promise<boolean> {
  const asked = lockManager()?.request(lock, { signal }, () => true);
  return (await asked?.catch(() => false)) ?? false;
}
