// What the person has before them: the experiment being edited, the station in focus, the run that can be continued,
// and what the buttons do. Views read it; only its methods change it.

import { contradictions, type Problem } from '../../shared/contradictions';
import type { Experiment } from '../../shared/experiment';
import { toPlainError } from '../../shared/errors';
import type { Command } from '../../shared/protocol';
import type { Setting, SettingValue } from '../../shared/setting';
import { readSetting, sameValue, settingsAt, writeSetting, type Place } from '../lib/draft';
import { begin, record, redo, undo, type History } from '../lib/history';
import { stationsOf, type Station } from '../lib/stations';
import { Overlays } from './overlays.svelte';
import { newRunId, rememberRun, type RunName, type SavedRun } from './saved';
import type { Session } from './session.svelte';

export class Playground {
  /** Runs whose curves lie under this one's in the charts. */
  readonly overlays = new Overlays();
  /** The experiment being edited and what it was before each change. */
  private history = $state.raw<History<Experiment>>() as History<Experiment>;
  /** The run at work, or the one that can be continued when it no longer is; see `canContinue`. */
  private unfinished = $state.raw<RunName | null>(null);
  private chosen = $state<string | null>(null);

  constructor(
    readonly session: Session,
    /** The experiment as it is shipped: what "default" means on this page. */
    readonly shipped: Experiment,
    private readonly send: (command: Command) => void,
  ) {
    this.history = begin(shipped);
  }

  get draft(): Experiment {
    return this.history.present;
  }

  /** Every change can be undone. */
  set draft(next: Experiment) {
    this.history = record(this.history, next);
  }

  get canUndo(): boolean {
    return this.history.past.length > 0;
  }

  get canRedo(): boolean {
    return this.history.future.length > 0;
  }

  undo(): void {
    this.history = undo(this.history);
  }

  redo(): void {
    this.history = redo(this.history);
  }

  /** Whether anything differs from what is shipped. */
  get differs(): boolean {
    return JSON.stringify(this.draft) !== JSON.stringify(this.shipped);
  }

  /** Back to what is shipped, which can be undone like any change. */
  reset(): void {
    this.draft = this.shipped;
  }

  get stations(): Station[] {
    return stationsOf(this.draft.stages);
  }

  get canContinue(): boolean {
    const { run } = this.session;
    return this.unfinished !== null && (run === 'stopped' || run === 'failed');
  }

  /** The station in focus: the one chosen, else where the run is. */
  get focus(): Station {
    const { session, stations } = this;
    const name = this.chosen ?? session.current?.name;
    const rest = session.run === 'finished' ? stations.at(-1) : stations[0];
    return stations.find((station) => station.name === name) ?? (rest as Station);
  }

  /** Focuses a station; choosing the one that is running follows the run again. */
  choose(name: string): void {
    this.chosen = name === this.session.current?.name ? null : name;
  }

  /** Focuses the station so many places to the right of the one in focus, as far as there are any. */
  chooseBeside(by: number): void {
    const { stations, focus } = this;
    const station = stations[stations.findIndex(({ name }) => name === focus.name) + by];
    if (station) this.choose(station.name);
  }

  /** Places whose settings belong to a station. */
  placesOf({ name, kind }: Station): Place[] {
    if (kind === 'model') return ['experiment', 'lora'];
    if (kind === 'data') return ['data'];
    return [this.stations.findIndex((station) => station.name === name) - 2];
  }

  value(place: Place, setting: Setting): SettingValue | undefined {
    return readSetting(this.draft, place, setting);
  }

  shippedValue(place: Place, setting: Setting): SettingValue | undefined {
    return readSetting(this.shipped, place, setting);
  }

  /** Whether a run is at work with another value, so that a change waits for the next one. */
  waits(place: Place, setting: Setting): boolean {
    if (!this.session.busy || this.unfinished === null) return false;
    return !sameValue(this.value(place, setting), readSetting(this.unfinished.experiment, place, setting));
  }

  change(place: Place, setting: Setting, value: SettingValue | undefined): void {
    this.draft = writeSetting(this.draft, place, setting, value);
  }

  /** How many settings of a station differ from what is shipped. */
  changes(station: Station): number {
    return this.placesOf(station).reduce<number>(
      (sum, place) =>
        sum +
        settingsAt(this.draft, place).filter(
          (setting) => !sameValue(this.value(place, setting), this.shippedValue(place, setting)),
        ).length,
      0,
    );
  }

  /** Takes up what the last visit left: a finished run is shown, an unfinished one is offered. */
  restore(saved: SavedRun): void {
    this.history = begin(saved.experiment);
    this.session.restore(saved);
    this.unfinished = saved.report ? null : saved;
  }

  /** Settings of a station that cannot go together, errors before warnings. */
  problems(station: Station): Problem[] {
    const at = this.stations.findIndex(({ name }) => name === station.name) - 2;
    return contradictions(this.draft)
      .filter(({ path }) => path.startsWith(`stages[${at}]`))
      .sort((a, b) => a.level.localeCompare(b.level));
  }

  async start(): Promise<void> {
    const wrong = this.stations
      .map((station) => ({ station, problem: this.problems(station).find(({ level }) => level === 'error') }))
      .find(({ problem }) => problem);
    if (wrong?.problem) {
      const { message, fix } = wrong.problem;
      this.choose(wrong.station.name);
      this.session.error = { code: 'bad-experiment', message: `${wrong.station.label}: ${message}`, fix };
      return;
    }
    await this.begin({ runId: newRunId(this.draft.name), experiment: this.draft }, false);
  }

  /** Goes on with a run that was left, stopped or failed, from its last checkpoint and with its own settings. */
  async continue(): Promise<void> {
    if (!this.unfinished) return;
    this.draft = this.unfinished.experiment;
    await this.begin(this.unfinished, true);
  }

  command(type: 'pause' | 'resume' | 'step' | 'stop'): void {
    this.send({ type });
  }

  private async begin(run: RunName, resume: boolean): Promise<void> {
    const { session } = this;
    this.chosen = null;
    this.unfinished = run;
    try {
      await rememberRun(run);
      session.start(run.runId, run.experiment, resume);
    } catch (error) {
      session.error = toPlainError(error);
    }
  }
}
