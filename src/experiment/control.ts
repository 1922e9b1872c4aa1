// Start, pause, step, stop, slow down and change a setting: what a person may do to a run while it goes on. The run
// asks at every step whether it may take the next one, and with which settings.

import type { SettingChange } from '../shared/protocol';

export class Control {
  private paused = false;
  private stopped = false;
  /** Steps that may be taken while paused. */
  private allowed = 0;
  private wake: () => void = () => undefined;
  /** Milliseconds to rest before a step. */
  private rest = 0;
  private changed: SettingChange[] = [];
  private failure: Error | null = null;

  pause(): void {
    this.paused = true;
    this.allowed = 0;
    this.wake();
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

  /** Ends the run with an error: what the device computed since is not to be trusted. */
  fail(error: Error): void {
    this.failure ??= error;
    this.wake();
  }

  /** Throws what the run was failed with. */
  check(): void {
    if (this.failure) throw this.failure;
  }

  /** Slow motion: rests so many seconds before every step, 0 not at all. */
  pace(seconds: number): void {
    this.rest = seconds * 1000;
    this.wake();
  }

  /** A setting that the run is to take up before its next step. */
  change(change: SettingChange): void {
    this.changed.push(change);
  }

  /** The changes since this was last asked. */
  takeChanges(): SettingChange[] {
    return this.changed.splice(0);
  }

  /** Waits until the next step may be taken; false if the run is to stop. `onWait` is called when it has to wait.
   *  Gives the thread's other messages, a pause among them, their turn first. */
  async next(onWait: (waiting: boolean) => Promise<void> | void): Promise<boolean> {
    const began = performance.now();
    await new Promise((resolve) => setTimeout(resolve));
    while (!this.paused && !this.stopped && !this.failure && performance.now() < began + this.rest) {
      await this.woken(began + this.rest - performance.now());
    }
    if (this.blocked()) {
      await onWait(true);
      while (this.blocked()) await this.woken();
      if (!this.stopped && !this.failure) await onWait(false);
    }
    this.check();
    if (this.paused && this.allowed > 0) this.allowed--;
    return !this.stopped;
  }

  private woken(latest?: number): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
      if (latest !== undefined) setTimeout(resolve, latest);
    });
  }

  private blocked(): boolean {
    return this.paused && this.allowed === 0 && !this.stopped && !this.failure;
  }
}
