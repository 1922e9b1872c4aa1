// One clock for everything that moves: however often the worker reports, the page redraws at most ten times a second,
// in one animation frame, and once a second for those who asked their system for less motion.

export class Redraw {
  private pending = false;
  private last = -Infinity;

  constructor(
    private readonly draw: () => void,
    private readonly interval: () => number,
  ) {}

  /** Asks for a redraw; asking again before it came costs nothing. */
  ask(): void {
    if (this.pending) return;
    this.pending = true;
    const wait = Math.max(0, this.last + this.interval() - performance.now());
    setTimeout(() => requestAnimationFrame(() => this.run()), wait);
  }

  private run(): void {
    this.pending = false;
    this.last = performance.now();
    this.draw();
  }
}

/** Milliseconds between two redraws. */
export function redrawInterval(): number {
  return matchMedia('(prefers-reduced-motion: reduce)').matches ? 1000 : 100;
}
