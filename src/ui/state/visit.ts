// What an earlier visit left, or this one before it was loaded again, that decides what the page opens on: known at once,
// before anything is read from the browser's storage.

import { recall, remember } from './remember';

/** What the page keeps beside an address that it wrote itself. */
export interface Own {
  /** The run on show; null where there is none, or a recording that comes with the page. */
  runId: string | null;
}

/** What stands beside the address if this page itself wrote it; null of a link that was followed. */
export function ownAddress(): Own | null {
  const state = history.state as { own?: Own } | null;
  return state?.own ?? null;
}

/** Puts words after "#" in the address bar, and that they are the page's own. */
export function writeOwnAddress(hash: string, own: Own): void {
  history.replaceState({ own }, '', `${location.pathname}${location.search}${hash}`);
}

const RUNS = 'runs';

/** Whether this browser is known to keep runs; it may without this being known. */
export function keepsRuns(): boolean {
  return recall(RUNS) !== null;
}

export function noteRuns(): void {
  remember(RUNS, 'yes');
}

/** Whether the page will show a run that this browser keeps, and no recording. */
export function opensOnRun(): boolean {
  const own = ownAddress();
  return own ? own.runId !== null : location.hash.length <= 1 && keepsRuns();
}
