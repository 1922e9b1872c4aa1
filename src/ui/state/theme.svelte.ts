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

/** The colour of a role as the canvas needs it, resolved for the theme in use. */
export function colourOf(role: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(--${role})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
