// The theme as the document wears it and the browser keeps it: the first thing that is asked, so that no page is shown in
// another theme than the one chosen.

import { recall, remember } from './remember';

export type Theme = 'light' | 'dark';

const KEY = 'theme';

/** The theme that was chosen; null where none was. */
export function keptTheme(): Theme | null {
  const stored = recall(KEY);
  return stored === 'light' || stored === 'dark' ? stored : null;
}

/** Puts a theme on the document; null leaves it to the system. */
export function wear(theme: Theme | null): void {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** Keeps the choice for the next visit; null forgets it. */
export function keepTheme(theme: Theme | null): void {
  remember(KEY, theme);
}
