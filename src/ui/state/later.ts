// What waits until the first picture stands. A page that makes everything at once shows nothing until all of it is made;
// this one makes what one looks at first, and the rest afterwards, piece by piece, each in a task of its own.

/** Milliseconds after which the picture counts as shown in a tab that is not looked at, and so never draws. */
const UNSEEN = 1000;

const waiting: (() => void)[] = [];
let shown: Promise<void> | null = null;
let over = false;

/** Whether nothing waits any more: what is made now is made at once. */
export function isLate(): boolean {
  return over;
}

/** Resolves once the browser has drawn what stands now. */
export function drawn(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, UNSEEN);
    requestAnimationFrame(() => setTimeout(resolve));
  });
}

/** Does something after the first picture, in the order asked. */
export function later(action: () => void): void {
  waiting.push(action);
  shown ??= drawn().then(next);
}

function next(): void {
  const action = waiting.shift();
  over = action === undefined;
  if (!action) return;
  action();
  setTimeout(next);
}

/** Resolves when the browser has nothing better to do. */
export function idle(): Promise<void> {
  const { requestIdleCallback: ask } = globalThis as Partial<typeof globalThis>;
  return new Promise((resolve) => {
    if (ask) ask(() => resolve(), { timeout: UNSEEN });
    else setTimeout(resolve, UNSEEN / 5);
  });
}
