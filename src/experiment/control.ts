// Start, pause, step, stop: what a person may do to a run while it goes on. The run asks at every step whether it may
// take the next one.

export class Control {
  private paused = false;
  private stopped = false;
  /** Steps that may be taken while paused. */
  private allowed = 0;
  private wake: () => void = () => undefined;

  pause(): void {
    this.paused = true;
    this.allowed = 0;
  }

  resume(): void {
    this.paused = false;
    this.wake();
  }

  /** One more step, then paused again. */
  step(): void {
    this.paused = true;
    this.allowed++;
    this.wake();
  }

  stop(): void {
    this.stopped = true;
    this.wake();
  }

  /** Waits until the next step may be taken; false if the run is to stop. `onWait` is called when it has to wait.
   *  Gives the thread's other messages, a pause among them, their turn first. */
  async next(onWait: (waiting: boolean) => Promise<void> | void): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve));
    if (this.blocked()) {
      await onWait(true);
      while (this.blocked()) await new Promise<void>((resolve) => (this.wake = resolve));
      if (!this.stopped) await onWait(false);
    }
    if (this.paused && this.allowed > 0) this.allowed--;
    return !this.stopped;
  }

  private blocked(): boolean {
    return this.paused && this.allowed === 0 && !this.stopped;
  }
}
