// Light, dark, or as the system says. The choice is an attribute of the document, read by app.css, and is remembered.

type Theme = 'light' | 'dark';

const KEY = 'theme';

class ThemeState {
  private readonly system = matchMedia('(prefers-color-scheme: dark)');
  private chosen = $state<Theme | null>(null);
  private systemDark = $state(false);

  constructor() {
    const stored = localStorage.getItem(KEY);
    this.systemDark = this.system.matches;
    this.system.addEventListener('change', ({ matches }) => (this.systemDark = matches));
    if (stored === 'light' || stored === 'dark') this.choose(stored);
  }

  get current(): Theme {
    return this.chosen ?? (this.systemDark ? 'dark' : 'light');
  }

  /** Changes to the other theme; going back to what the system says forgets the choice. */
  toggle(): void {
    const next = this.current === 'dark' ? 'light' : 'dark';
    const asSystem = (next === 'dark') === this.systemDark;
    this.choose(asSystem ? null : next);
  }

  private choose(theme: Theme | null): void {
    this.chosen = theme;
    if (theme) {
      document.documentElement.dataset.theme = theme;
      localStorage.setItem(KEY, theme);
    } else {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem(KEY);
    }
  }
}

export const theme = new ThemeState();
