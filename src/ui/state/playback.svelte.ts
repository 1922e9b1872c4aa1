// The one timeline of the page, for a run at work, one that has ended and a recorded one. Its head is the present: the
// last step that was told. A recording is told as it is played, and all at once up to where someone jumps; whatever
// was told stays told, and looking back is a point in time that charts and samples follow.

import type { RecordedRun } from '../../shared/recording';
import { tapeOf, tickAt, type Tape, type Tick } from '../recorded/tape';
import type { PointInTime, Session } from './session.svelte';

/** Times the pace at which the run was computed. */
export const SPEEDS = [1, 10, 30, 100] as const;
/** Milliseconds between two looks at the clock. */
const BEAT = 50;

export class Playback {
  constructor(private readonly session: Session) {}

  playing = $state(false);
  speed = $state<number>(30);
  private tape = $state.raw<Tape | null>(null);
  /** Ticks of the tape that were told. */
  private head = $state(0);
  private beat: ReturnType<typeof setInterval> | undefined;
  /** Seconds into the run where play has got to. */
  private clock = 0;

  /** Every step of the run that is known: of a recording also those still to come. */
  readonly ticks: readonly Tick[] = $derived.by(() => {
    if (this.session.recorded && this.tape) return this.tape.ticks;
    let seconds = 0;
    return this.session.stages.flatMap(({ name }) =>
      this.session.columns(name).rows.map(({ stage, step, seconds: spent }) => {
        seconds += typeof spent === 'number' ? spent : 0;
        return { stage, step, seconds };
      }),
    );
  });

  /** How many of the ticks were told. */
  get told(): number {
    return this.session.recorded && this.tape ? this.head : this.ticks.length;
  }

  /** Index of the tick in view; -1 before the first. */
  get at(): number {
    const { moment } = this.session;
    if (moment === null) return this.told - 1;
    return this.ticks.findIndex(({ stage, step }) => stage === moment.stage && step === moment.step);
  }

  /** What a link to here says: nothing at the end of all that is known. */
  get place(): PointInTime | null {
    const { stage = '', step = 0 } = this.ticks[this.at] ?? {};
    return this.session.moment || (this.session.recorded && !this.atEnd && step > 0) ? { stage, step } : null;
  }

  get atEnd(): boolean {
    return this.at === this.ticks.length - 1;
  }

  /** Puts a recording on; nothing of it is told yet. */
  open(runId: string | null, run: RecordedRun): void {
    this.pause();
    this.session.showRecorded(runId, run);
    this.tape = tapeOf(run);
    this.head = 0;
  }

  /** Looks at a tick, telling a recording up to there; the last one told is the present again. */
  seek(index: number): void {
    const { ticks, session } = this;
    const to = Math.max(0, Math.min(ticks.length - 1, index));
    this.clock = ticks[to]?.seconds ?? 0;
    if (session.recorded) this.tell(to + 1);
    const { stage = '', step = 0 } = ticks[to] ?? {};
    session.moment = to >= this.told - 1 ? null : { stage, step };
  }

  /** Looks at a step of a stage, or the last one before it. False if there is no such stage. */
  seekTo({ stage, step }: PointInTime): boolean {
    const index = this.ticks.findLastIndex((tick) => tick.stage === stage && tick.step <= step);
    if (index >= 0) this.seek(index);
    return index >= 0;
  }

  stepBy(by: number): void {
    this.pause();
    this.seek(this.at + by);
  }

  /** Goes on from where one looks; from the end, from the start. */
  play(): void {
    if (this.ticks.length === 0) return;
    if (this.atEnd) this.seek(0);
    this.clock = this.at < 0 ? 0 : (this.ticks[this.at]?.seconds ?? 0);
    this.playing = true;
    if (this.session.recorded && this.head < this.ticks.length) this.say('running');
    let last = performance.now();
    clearInterval(this.beat);
    this.beat = setInterval(() => {
      const now = performance.now();
      this.advance(((now - last) / 1000) * this.speed);
      last = now;
    }, BEAT);
  }

  pause(): void {
    clearInterval(this.beat);
    this.playing = false;
    if (this.session.recorded && this.session.run === 'running') this.say('paused');
  }

  /** Lets some seconds of the run go by. */
  private advance(seconds: number): void {
    const clock = this.clock + seconds;
    const to = tickAt(this.ticks, clock);
    // The first tick does not wait for the time that it took.
    if (to > this.at || this.at < 0) this.seek(to);
    this.clock = clock;
    if (this.atEnd && this.session.moment === null) this.pause();
  }

  private tell(count: number): void {
    const { tape, session } = this;
    if (!tape || count <= this.head) return;
    for (const event of tape.events.slice(this.head, count).flat()) session.receive(event);
    this.head = count;
    if (count < tape.events.length) this.say(this.playing ? 'running' : 'paused');
  }

  private say(state: 'running' | 'paused'): void {
    this.session.receive({ type: 'run', state });
  }
}
