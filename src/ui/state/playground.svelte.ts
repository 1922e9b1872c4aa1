// What the person has before them: the experiment being edited, the station in focus, the run that can be continued,
// and what the buttons do. Views read it; only its methods change it.

import type { Experiment } from '../../shared/experiment';
import { toPlainError } from '../../shared/errors';
import type { Command } from '../../shared/protocol';
import type { Setting, SettingValue } from '../../shared/setting';
import { readSetting, sameValue, settingsAt, writeSetting, type Place } from '../lib/draft';
import { stationsOf, type Station } from '../lib/stations';
import type { SavedRun } from '../lib/saved';
import type { Session } from './session.svelte';

export class Playground {
  draft = $state.raw<Experiment>() as Experiment;
  unfinished = $state.raw<SavedRun | null>(null);
  private chosen = $state<string | null>(null);

  constructor(
    readonly session: Session,
    /** The experiment as it is shipped: what "default" means on this page. */
    readonly shipped: Experiment,
    private readonly send: (command: Command) => void,
  ) {
    this.draft = shipped;
  }

  get stations(): Station[] {
    return stationsOf(this.draft.stages);
  }

  /** The station in focus: the one chosen, else where the run is. */
  get focus(): Station {
    const { session, stations } = this;
    const last = session.run === 'finished' ? stations.at(-1)?.name : undefined;
    const name = this.chosen ?? session.current?.name ?? last;
    return stations.find((station) => station.name === name) ?? (stations[0] as Station);
  }

  /** Focuses a station; choosing the one that is running follows the run again. */
  choose(name: string): void {
    this.chosen = name === this.session.current?.name ? null : name;
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

  start(): void {
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
    this.begin({ runId: `${this.draft.name}-${stamp}`, experiment: this.draft }, false);
  }

  continue(): void {
    const saved = this.unfinished ?? this.failedRun;
    if (!saved) return;
    this.draft = saved.experiment;
    this.begin(saved, true);
  }

  /** The run that failed or was stopped, if it can be taken up again. */
  get failedRun(): SavedRun | null {
    const { run, runId } = this.session;
    return runId && (run === 'failed' || run === 'stopped') ? { runId, experiment: this.running } : null;
  }

  command(type: 'pause' | 'resume' | 'step' | 'stop'): void {
    this.send({ type });
  }

  private running = $state.raw<Experiment>() as Experiment;

  private begin({ runId, experiment }: SavedRun, resume: boolean): void {
    this.unfinished = null;
    this.chosen = null;
    this.running = experiment;
    try {
      this.session.start(runId, experiment, resume);
    } catch (error) {
      this.session.error = toPlainError(error);
    }
  }
}
