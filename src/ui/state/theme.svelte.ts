// Light, dark, or as the system says. The choice is an attribute of the document, read by app.css, and is remembered.

import { MediaQuery } from 'svelte/reactivity';
import { keepTheme, keptTheme, type Theme, wear } from './theme-kept';

class ThemeState {
  private readonly systemDark = new MediaQuery('(prefers-color-scheme: dark)');
  private chosen = $state(keptTheme());

  get current(): Theme {
    return this.chosen ?? (this.systemDark.current ? 'dark' : 'light');
  }

  /** Changes to the other theme; going back to what the system says forgets the choice. */
  toggle(): void {
    const next = this.current === 'dark' ? 'light' : 'dark';
    const asSystem = (next === 'dark') === this.systemDark.current;
    this.choose(asSystem ? null : next);
  }

  private choose(theme: Theme | null): void {
    this.chosen = theme;
    keepTheme(theme);
    wear(theme);
  }
}

export const theme = new ThemeState();
