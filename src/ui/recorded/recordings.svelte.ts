// What the page can do with recorded experiments: show one as it arrives, keep it as a run of this browser so that its
// adapters can be used, and go on from it.

import { type Experiment, pairsStage } from '../../shared/experiment';
import { FIRST_ROWS } from '../../shared/first-rows';
import type { Recording } from '../../shared/recording';
import { idbRunStore } from '../../storage/idb-store';
import { writeText } from '../../storage/run-store';
import type { Origin } from '../state/address';
import type { Playback } from '../state/playback.svelte';
import type { Playground } from '../state/playground.svelte';
import { recordedRunId } from '../state/saved';
import type { PointInTime } from '../state/session.svelte';
import { troubleOf } from '../state/trouble';
import { arrive, type Arriving, bodyOf } from './arrive';
import { fetchRecording } from './early';
import { ppoFrom } from './resume';

export interface Asked {
  url: string;
  at: PointInTime | null;
  /** Called once it was fetched and stands on the page. */
  opened: () => void;
}

interface Showing {
  origin: Origin;
  /** Whether it begins to play by itself. */
  play: boolean;
  at: PointInTime | null;
}

export class Recordings {
  /** Whether all of the recording on show is here, its adapters too. */
  complete = $state.raw<(Recording & { bytes: Uint8Array }) | null>(null);
  /** An address that a link asks to open, until the person has answered. */
  asked = $state.raw<Asked | null>(null);
  /** The recording as a run of this browser, once anybody asked for it. */
  private kept: Promise<void> | null = null;
  private arriving: Arriving | null = null;

  constructor(
    private readonly playground: Playground,
    private readonly playback: Playback,
  ) {}

  /** Whether PPO alone can be run from here. */
  get canResumePpo(): boolean {
    return this.complete !== null && ppoFrom(this.complete) !== null;
  }

  /** Begins to fetch a recording that comes with the page. */
  static fetchShipped(name: string): Arriving {
    const file = `${name}.recording`;
    return arrive(bodyOf(fetchRecording(name), file), file, true);
  }

  /** Plays a recording that comes with the page. */
  play(name: string): Promise<void> {
    const origin = { experiment: name, open: null, from: null };
    return this.show(Recordings.fetchShipped(name), { origin, play: true, at: null });
  }

  /** Shows a recording as soon as its first line is there, and makes its experiment the one to edit. */
  async show(arriving: Arriving, { origin, play, at }: Showing): Promise<void> {
    const { playground, playback } = this;
    const run = await arriving.run;
    this.arriving = arriving;
    this.complete = null;
    this.kept = null;
    playground.take(run.experiment, origin);
    playback.open(recordedRunId(run), run);
    if (at === null || !playback.seekTo(at)) playback.seek(0);
    if (play) playback.play();
    arriving.whole.then(
      (recording) => {
        if (this.arriving === arriving) this.complete = recording;
      },
      (error: unknown) => (playground.session.error = troubleOf(error)),
    );
  }

  /** Sees to it that the files of the recording on show are in this browser's storage, where the worker finds them. */
  keep(): Promise<void> {
    this.kept ??= this.write();
    return this.kept;
  }

  private async write(): Promise<void> {
    const recording = await this.arriving?.whole;
    if (!recording) return;
    const { run, adapters } = recording;
    const store = idbRunStore(recordedRunId(run));
    const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    for (const [path, bytes] of adapters) await store.write(`adapters/${path}`, bytes);
    await writeText(store, 'metrics.jsonl', lines(run.metrics));
    await writeText(store, 'samples.jsonl', lines(run.samples));
    await writeText(store, 'changes.jsonl', lines(run.changes));
    await writeText(store, FIRST_ROWS, JSON.stringify(run.rows));
    const sampled = pairsStage(run.experiment);
    if (sampled !== undefined) await writeText(store, `${sampled}.jsonl`, lines(run.pairs));
    if (run.report) await writeText(store, 'report.json', JSON.stringify(run.report));
    // A run comes to be with its experiment: it is written last.
    await writeText(store, 'experiment.json', JSON.stringify(run.experiment));
  }

  /** Makes PPO from the recorded adapters what is edited; it begins when someone says so. */
  async proposePpo(): Promise<void> {
    const recording = await this.arriving?.whole;
    const next = recording && ppoFrom(recording);
    if (!next) return;
    this.playground.overlays.add(recordedRunId(recording.run), 'recorded', recording.run.metrics);
    this.playground.take(next.experiment, { ...this.playground.origin, from: 'ppo' });
  }

  /** Runs PPO on this machine, from the recorded SFT and reward adapters; the recorded curves stay beneath. */
  async resumePpo(): Promise<void> {
    await this.proposePpo();
    await this.playground.start();
  }

  /** Brings the recorded adapters that an experiment begins with to the run that begins with them. */
  async bring({ data }: Experiment, runId: string): Promise<void> {
    const next = this.complete && ppoFrom(this.complete);
    if (!next || data.sft_model_path !== next.experiment.data.sft_model_path) return;
    for (const [path, bytes] of next.files) await idbRunStore(runId).write(path, bytes);
  }
}
