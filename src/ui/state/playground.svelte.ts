// What the person has before them: the experiment being edited, the station in focus, the run that can be continued,
// and what the buttons do. Views read it; only its methods change it.

import { changesBetween } from '../../shared/changes';
import type { Experiment } from '../../shared/experiment';
import type { Command } from '../../shared/protocol';
import { checkpointId, type CheckpointPlace } from '../../storage/checkpoints';
import { deleteRun } from '../../storage/idb-store';
import { ownSources } from '../lib/draft';
import { begin, record, redo, undo, type History } from '../lib/history';
import { targetsFor } from '../lib/presets';
import { stationsOf, type Station } from '../lib/stations';
import { Recordings } from '../recorded/recordings.svelte';
import { holdRun, isHeld, whenFree } from './locks';
import { Models } from '../models/models.svelte';
import { Budgets } from './budgets.svelte';
import { Form } from './form';
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
import { troubleOf } from './trouble';

/** Milliseconds between two looks at a run that another tab computes. */
const WATCH_EVERY = 2000;

export class Playground {
  /** Runs whose curves lie under this one's in the charts. */
  readonly overlays = new Overlays();
  readonly budgets = new Budgets(this);
  readonly form = new Form(this);
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

  /** Takes another base model, with the layers that its adapters sit on, and loads it if that fetches nothing. */
  chooseModel(model: string): void {
    const { lora } = this.draft;
    if (model !== this.draft.model) {
      const target_modules = targetsFor(model, lora.target_modules);
      this.draft = { ...this.draft, model, lora: { ...lora, target_modules } };
    }
    if (!this.session.busy) void this.models.loadIfHere(model);
  }

  /** Removes what a person brought along, unless the experiment or the run at work reads it. */
  async removeOwn(kind: 'model' | 'adapter', name: string): Promise<void> {
    const { draft, session } = this;
    const read = [draft, ...(session.busy && session.experiment ? [session.experiment] : [])];
    const source = `own:${name}`;
    if (!read.some((experiment) => ownSources(experiment, kind).includes(source))) {
      return this.models.removeOwn(kind, name);
    }
    session.error = {
      code: 'bad-arguments',
      message: `“${name}” stays: the experiment before you ${kind === 'model' ? 'is for this model' : 'starts from this adapter'}.`,
      fix: `Choose another ${kind}${kind === 'adapter' ? ', or none,' : ''} first; then it can be removed.`,
    };
  }

  /** Takes up what the last visit left: a finished run is shown, an unfinished one is offered. */
  restore(saved: SavedRun, watched = false): void {
    this.session.restore(saved, watched);
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
    const held = !saved.report && (await isHeld(runId));
    this.restore(saved, held);
    this.chosen = null;
    void this.models.loadIfHere(saved.experiment.model);
    if (held) await this.watch(runId);
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
    let reading = 0; // ms that it took, of which a long run asks many
    const later = () =>
      new Promise<false>((done) => setTimeout(() => done(false), Math.max(WATCH_EVERY, 20 * reading)));
    for (let free = false; !free;) {
      free = await Promise.race([freed, later()]);
      const began = performance.now();
      const saved = await savedRun(runId);
      if (signal.aborted || !saved) break;
      if (free) this.restore(saved);
      else this.session.restore(saved, true);
      reading = performance.now() - began;
    }
    if (this.watching === watching) this.elsewhere = false;
  }

  /** A run has ended: another tab may go on with it. */
  release(): void {
    this.letGo?.();
    this.letGo = null;
  }

  async start(): Promise<void> {
    const { draft, session } = this;
    const refused = this.form.refusal(draft);
    if (refused?.station) this.choose(refused.station);
    if ((session.error = refused?.error ?? this.budgets.refusal)) return;
    const runId = newRunId(draft.name);
    await session.attempt(async () => {
      await this.recordings.bring(draft, runId);
      await carryData(draft, session.runId, runId);
      await this.begin({ runId, experiment: draft }, false);
    });
  }

  /** Starts a run made from another one; `prepare` writes what it begins with beside its experiment. What keeps a plain
   *  run from being started keeps this one from it too, and then nothing of it stays. */
  async derive(experiment: Experiment, prepare: (runId: string) => Promise<void>): Promise<void> {
    const { session } = this;
    if (session.busy) return;
    if ((session.error = this.form.refusal(experiment)?.error ?? null)) return;
    const runId = newRunId(experiment.name);
    await session.attempt(async () => {
      await prepare(runId);
      if ((session.error = await this.budgets.refusalOf(runId, experiment))) return deleteRun(runId);
      this.draft = experiment;
      await this.begin({ runId, experiment }, false);
    });
  }

  /** Goes on with a run that was left, stopped or failed, from its last checkpoint and with its own settings, but for
   *  those that a run at work can take up. */
  async continue(): Promise<void> {
    if (!this.unfinished) return;
    const { experiment } = this.unfinished;
    const kinds = (of: Experiment) => of.stages.map(({ kind }) => kind).join();
    if (kinds(this.draft) !== kinds(experiment)) this.draft = experiment;
    const run = this.unfinished;
    await this.session.attempt(() => this.begin(run, true));
  }

  /** Goes on with the run on show from a checkpoint that is not its last; what came after is forgotten. One at work is
   *  stopped first. */
  async goBack(place: CheckpointPlace): Promise<void> {
    const { session } = this;
    const { runId } = session;
    if (runId === null) return;
    await session.attempt(async () => {
      if (session.busy) this.command('stop');
      await session.still();
      const experiment = await experimentOf(runId);
      if (!experiment) return;
      const before = session.experiment ?? experiment;
      session.goBack(place, experiment);
      await this.begin({ runId, experiment }, true, checkpointId(place));
      // What had been changed after that checkpoint and taken back since.
      this.sendChanges(before);
    });
  }

  /** Slow motion: seconds of rest before every step. */
  get pace(): number {
    return this.rest;
  }

  /** Nothing is started to be told of it: a run hears it when it begins. */
  set pace(seconds: number) {
    this.rest = seconds;
    if (this.session.busy) this.send({ type: 'pace', seconds });
  }

  command(type: 'pause' | 'resume' | 'step' | 'stop'): void {
    this.send({ type });
  }

  private async begin(run: RunName, resume: boolean, from?: string): Promise<void> {
    const { session } = this;
    if (this.models.needsFetch(run.experiment.model)) {
      this.choose('model');
      session.error = troubleOf(this.models.notFetched(run.experiment.model));
      return;
    }
    this.chosen = null;
    this.watching?.abort();
    this.elsewhere = false;
    this.playback.pause();
    // A run whose worker was lost is still held.
    this.letGo ??= await holdRun(run.runId);
    if (!this.letGo) return await this.open(run.runId);
    this.unfinished = run;
    await rememberRun(run);
    this.send({ type: 'pace', seconds: this.pace });
    session.start(run.runId, run.experiment, resume, from);
    if (resume && session.experiment) this.sendChanges(session.experiment);
  }
}
