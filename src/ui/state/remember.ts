// Small things the browser keeps from visit to visit: the theme, a card that was closed. A browser may be told to keep
// nothing, and then refuses even to be asked; the page goes on as on a first visit.

/** Null where nothing is kept under the name. */
export function recall(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Keeps a text under a name; null forgets it. */
export function remember(name: string, text: string | null): void {
  try {
    if (text === null) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
  } catch {
    // It holds for this visit.
  }
}
