// What the person has before them: the experiment being edited, the station in focus, the run that can be continued,
// and what the buttons do. Views read it; only its methods change it.

import { changesBetween, liveSettings } from '../../shared/changes';
import { contradictions, type Problem } from '../../shared/contradictions';
import { type Experiment, stageNames } from '../../shared/experiment';
import { toPlainError } from '../../shared/errors';
import type { Command } from '../../shared/protocol';
import { checkpointId, type CheckpointPlace } from '../../storage/checkpoints';
import type { Setting, SettingValue } from '../../shared/setting';
import { readSetting, sameValue, settingsAt, writeSetting, type Place } from '../lib/draft';
import { begin, record, redo, undo, type History } from '../lib/history';
import { targetsFor } from '../lib/presets';
import { stationsOf, type Station } from '../lib/stations';
import { Recordings } from '../recorded/recordings.svelte';
import { holdRun, isHeld, whenFree } from './locks';
import { Models, NOT_FETCHED } from '../models/models.svelte';
import { Budgets } from './budgets.svelte';
import { Overlays } from './overlays.svelte';
import type { Origin } from './address';
import { Playback } from './playback.svelte';
import {
  carryData,
  experimentOf,
  newRunId,
  rememberRun,
  type RunName,
  savedRun,
  type SavedRun,
} from './saved';
import type { Session } from './session.svelte';

/** Milliseconds between two looks at a run that another tab computes. */
const WATCH_EVERY = 2000;

export class Playground {
  /** Runs whose curves lie under this one's in the charts. */
  readonly overlays = new Overlays();
  readonly budgets = new Budgets(this);
  readonly models: Models;
  /** The experiment being edited and what it was before each change. */
  private history = $state.raw<History<Experiment>>() as History<Experiment>;
  /** The run at work, or the one that can be continued when it no longer is; see `canContinue`. */
  private unfinished = $state.raw<RunName | null>(null);
  private chosen = $state<string | null>(null);
  private rest = $state(0);
  /** Whether another tab computes the run on show, and this one only looks on. */
  elsewhere = $state(false);
  /** Whether the page shows what its address asked for. */
  settled = $state(false);
  /** The experiment as it was opened: what "default" means on this page. */
  shipped = $state.raw<Experiment>() as Experiment;
  /** Where it came from, for links. */
  origin = $state.raw<Origin>({ experiment: null, open: null, from: null });
  readonly playback: Playback;
  readonly recordings: Recordings;
  private watching: AbortController | null = null;
  private letGo: (() => void) | null = null;

  constructor(
    readonly session: Session,
    shipped: Experiment,
    origin: Origin,
    private readonly send: (command: Command) => void,
  ) {
    this.models = new Models(session, send);
    this.take(shipped, origin);
    this.playback = new Playback(session);
    this.recordings = new Recordings(this, this.playback);
  }

  /** Makes an experiment the one to edit. */
  take(experiment: Experiment, origin: Origin): void {
    this.shipped = experiment;
    this.origin = origin;
    this.history = begin(experiment);
    this.unfinished = null;
    this.chosen = null;
  }

  get draft(): Experiment {
    return this.history.present;
  }

  /** Every change can be undone. */
  set draft(next: Experiment) {
    this.move(record(this.history, next));
  }

  /** What a run at work can take up of the change, it does before its next step. */
  private move(history: History<Experiment>): void {
    const before = this.draft;
    this.history = history;
    if (this.session.busy) this.sendChanges(before);
  }

  private sendChanges(before: Experiment): void {
    for (const change of changesBetween(before, this.draft)) this.send({ type: 'change', change });
  }

  get canUndo(): boolean {
    return this.history.past.length > 0;
  }

  get canRedo(): boolean {
    return this.history.future.length > 0;
  }

  undo(): void {
    this.move(undo(this.history));
  }

  redo(): void {
    this.move(redo(this.history));
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
    return this.unfinished !== null && !this.elsewhere && (run === 'stopped' || run === 'failed');
  }

  /** The station that was chosen; null where the run is followed. */
  get view(): string | null {
    return this.chosen;
  }

  /** The stage that the timeline looks at. */
  private get now(): string | undefined {
    return this.session.moment?.stage ?? this.session.current?.name;
  }

  /** The station in focus: the one chosen, else where the run is. */
  get focus(): Station {
    const { session, stations } = this;
    let name = this.chosen ?? this.now;
    // A replay that goes by has nobody to judge, and nothing to show of it: one goes on looking at what came before.
    const at = stations.findIndex((station) => station.name === name);
    if (!this.chosen && session.recorded && stations[at]?.kind === 'pairs') name = stations[at - 1]?.name;
    const rest = session.run === 'finished' ? stations.at(-1) : stations[0];
    return stations.find((station) => station.name === name) ?? (rest as Station);
  }

  /** Focuses a station; choosing the one that is running follows the run again. Who judges stays. */
  choose(name: string): void {
    const judges = this.stations.some((station) => station.name === name && station.kind === 'pairs');
    this.chosen = name === this.now && !judges ? null : name;
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

  /** Of a stage that is not shipped, the table's default. */
  shippedValue(place: Place, setting: Setting): SettingValue | undefined {
    if (typeof place !== 'number') return readSetting(this.shipped, place, setting);
    const at = stageNames(this.shipped.stages).indexOf(this.stations[place + 2]?.name ?? '');
    return at < 0 ? setting.default : readSetting(this.shipped, at, setting);
  }

  /** When a value takes hold that the run at work does not have; '' where it has it, or none is at work. */
  waits(place: Place, setting: Setting): '' | 'next step' | 'next run' {
    const { busy, experiment } = this.session;
    if (!busy || !experiment) return '';
    const stage = typeof place === 'number' ? this.draft.stages[place] : undefined;
    const same = stage === undefined || experiment.stages[place as number]?.kind === stage.kind;
    if (same && sameValue(this.value(place, setting), readSetting(experiment, place, setting))) return '';
    const name = this.stations[(place as number) + 2]?.name ?? '';
    const live = stage && liveSettings(stage).some(({ key }) => key === setting.key);
    return same && live && this.session.stage(name)?.state !== 'finished' ? 'next step' : 'next run';
  }

  change(place: Place, setting: Setting, value: SettingValue | undefined): void {
    this.draft = writeSetting(this.draft, place, setting, value);
  }

  /** Takes another base model, with the layers that its adapters sit on, and loads it if that fetches nothing. */
  chooseModel(model: string): void {
    const { lora } = this.draft;
    if (model !== this.draft.model) {
      const target_modules = targetsFor(model, lora.target_modules);
      this.draft = { ...this.draft, model, lora: { ...lora, target_modules } };
    }
    if (!this.session.busy) void this.models.loadIfHere(model);
  }

  /** Takes an adapter to start from, null for none. */
  chooseAdapter(source: string | null): void {
    const setting = settingsAt(this.draft, 'data').find(({ key }) => key === 'sft_model_path');
    if (setting) this.change('data', setting, source ?? undefined);
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
    this.session.restore(saved);
    this.history = begin(this.session.experiment ?? saved.experiment);
    this.unfinished = saved.report ? null : saved;
  }

  /** Shows a run kept in this browser; one that another tab is at work on is followed as it goes. */
  async open(runId: string): Promise<void> {
    if (this.session.busy) return;
    this.watching?.abort();
    this.elsewhere = false;
    const saved = await savedRun(runId);
    if (!saved) return;
    this.restore(saved);
    this.chosen = null;
    void this.models.loadIfHere(saved.experiment.model);
    if (!saved.report && (await isHeld(runId))) await this.watch(runId);
  }

  /** Shows no run any more, as before the first one. */
  close(): void {
    this.watching?.abort();
    this.elsewhere = false;
    this.unfinished = null;
    this.chosen = null;
    this.session.reset(null, this.draft);
  }

  /** Reads the run again and again, until no tab is at work on it any more or this one turns to something else. */
  private async watch(runId: string): Promise<void> {
    const watching = (this.watching = new AbortController());
    const { signal } = watching;
    this.elsewhere = true;
    const freed = whenFree(runId, signal).then(
      () => true,
      () => true,
    );
    const later = () => new Promise<false>((done) => setTimeout(() => done(false), WATCH_EVERY));
    for (let free = false; !free;) {
      free = await Promise.race([freed, later()]);
      const saved = await savedRun(runId);
      if (signal.aborted || !saved) break;
      if (free) this.restore(saved);
      else this.session.restore(saved);
    }
    if (this.watching === watching) this.elsewhere = false;
  }

  /** Has the model of an experiment loaded, unless it is or soon will be: a page that replays has none. */
  async needModel({ model }: Experiment): Promise<void> {
    if (this.session.model === null && this.models.asked === null) await this.models.loadIfHere(model);
  }

  /** A run has ended: another tab may go on with it. */
  release(): void {
    this.letGo?.();
    this.letGo = null;
  }

  /** Settings of a station that cannot go together, errors before warnings. */
  problems(station: Station): Problem[] {
    const at = this.stations.findIndex(({ name }) => name === station.name) - 2;
    return contradictions(this.draft)
      .filter(({ path }) => path.startsWith(`stages[${at}]`))
      .sort((a, b) => a.level.localeCompare(b.level));
  }

  async start(): Promise<void> {
    const { draft, session } = this;
    for (const station of this.stations) {
      const wrong = this.problems(station).find(({ level }) => level === 'error');
      if (!wrong) continue;
      this.choose(station.name);
      session.error = {
        code: 'bad-experiment',
        message: `${station.label}: ${wrong.message}`,
        fix: wrong.fix,
      };
      return;
    }
    if ((session.error = this.budgets.refusal)) return;
    const runId = newRunId(draft.name);
    try {
      await this.recordings.bring(draft, runId);
      await carryData(draft, session.runId, runId);
    } catch (error) {
      session.error = toPlainError(error);
      return;
    }
    await this.begin({ runId, experiment: draft }, false);
  }

  /** Starts a run made from another one; `prepare` writes what it begins with beside its experiment. */
  async derive(experiment: Experiment, prepare: (runId: string) => Promise<void>): Promise<void> {
    if (this.session.busy) return;
    const runId = newRunId(experiment.name);
    try {
      await prepare(runId);
    } catch (error) {
      this.session.error = toPlainError(error);
      return;
    }
    this.draft = experiment;
    await this.begin({ runId, experiment }, false);
  }

  /** Goes on with a run that was left, stopped or failed, from its last checkpoint and with its own settings, but for
   *  those that a run at work can take up. */
  async continue(): Promise<void> {
    if (!this.unfinished) return;
    const { experiment } = this.unfinished;
    const kinds = (of: Experiment) => of.stages.map(({ kind }) => kind).join();
    if (kinds(this.draft) !== kinds(experiment)) this.draft = experiment;
    await this.begin(this.unfinished, true);
  }

  /** Goes on with the run on show from a checkpoint that is not its last; what came after is forgotten. */
  async goBack(place: CheckpointPlace): Promise<void> {
    const { runId } = this.session;
    const experiment = runId === null ? null : await experimentOf(runId);
    if (runId === null || !experiment) return;
    const before = this.session.experiment ?? experiment;
    this.session.goBack(place, experiment);
    await this.begin({ runId, experiment }, true, checkpointId(place));
    // What had been changed after that checkpoint and taken back since.
    this.sendChanges(before);
  }

  /** Slow motion: seconds of rest before every step. */
  get pace(): number {
    return this.rest;
  }

  set pace(seconds: number) {
    this.rest = seconds;
    this.send({ type: 'pace', seconds });
  }

  command(type: 'pause' | 'resume' | 'step' | 'stop'): void {
    this.send({ type });
  }

  private async begin(run: RunName, resume: boolean, from?: string): Promise<void> {
    const { session } = this;
    if (this.models.needsFetch(run.experiment.model)) {
      this.choose('model');
      session.error = NOT_FETCHED;
      return;
    }
    this.chosen = null;
    this.watching?.abort();
    this.elsewhere = false;
    this.playback.pause();
    try {
      // A run whose worker was lost is still held.
      this.letGo ??= await holdRun(run.runId);
      if (!this.letGo) return await this.open(run.runId);
      this.unfinished = run;
      await rememberRun(run);
      session.start(run.runId, run.experiment, resume, from);
      if (resume && session.experiment) this.sendChanges(session.experiment);
    } catch (error) {
      session.error = toPlainError(error);
    }
  }
}
