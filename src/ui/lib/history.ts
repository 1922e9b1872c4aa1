// Undo and redo of one value that is never changed in place, as an experiment being edited is.

export interface History<T> {
  readonly past: readonly T[];
  readonly present: T;
  readonly future: readonly T[];
}

/** Steps that can be taken back. */
const LIMIT = 200;

export function begin<T>(present: T): History<T> {
  return { past: [], present, future: [] };
}

/** A new value; what was undone before can no longer be redone. */
export function record<T>({ past, present }: History<T>, next: T): History<T> {
  return { past: [...past, present].slice(-LIMIT), present: next, future: [] };
}

/** The same history where there is nothing to take back. */
export function undo<T>(history: History<T>): History<T> {
  const { past, present, future } = history;
  return past.length === 0
    ? history
    : { past: past.slice(0, -1), present: past[past.length - 1]!, future: [present, ...future] };
}

/** The same history where nothing was taken back. */
export function redo<T>(history: History<T>): History<T> {
  const { past, present, future } = history;
  return future.length === 0
    ? history
    : { past: [...past, present], present: future[0]!, future: future.slice(1) };
}
