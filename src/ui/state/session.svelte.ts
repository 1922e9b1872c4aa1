// What the worker has told so far: its device, its model, and the run with its stages, metrics, samples and report.
// Metrics and samples are kept in plain classes; `shown` is set at most ten times a second and is what views watch.

import { withChanges } from '../../shared/changes';
import { stageNames, type Experiment, type Stage } from '../../shared/experiment';
import type {
  Command,
  DeviceReport,
  Event,
  MemoryReport,
  MetricsRow,
  ModelReport,
  Report,
  SampleRow,
  StageState,
} from '../../shared/protocol';
import type { RecordedRun } from '../../shared/recording';
import type { CheckpointPlace } from '../../storage/checkpoints';
import { shownReport, shownSample } from '../lib/judged';
import { plannedSteps, runShare, secondsLeft, stageWork, type StageProgress } from '../lib/progress';
import { Redraw, redrawInterval } from '../lib/redraw';
import { SampleBook } from '../lib/samples';
import { type MetricColumns, MetricsBook } from '../lib/series';
import { Questions } from './questions';
import type { SavedRun } from './saved';
import { type Trouble, troubleOf } from './trouble';

export interface Loading {
  what: string;
  loadedBytes: number;
  totalBytes: number;
}

/** A step of a stage of the run. */
export interface PointInTime {
  stage: string;
  step: number;
}

export type StageView = StageProgress & { name: string };

interface Told {
  metrics: MetricsBook;
  samples: SampleBook;
  stages: StageView[];
}

export class Session {
  device = $state.raw<DeviceReport | null>(null);
  memory = $state.raw<MemoryReport | null>(null);
  loading = $state.raw<Loading | null>(null);
  /** The model that the worker has. */
  loaded = $state.raw<{ source: string; model: ModelReport } | null>(null);
  run = $state<StageState>('waiting');
  runId = $state<string | null>(null);
  /** What the run on show was started with, and changed to since. */
  experiment = $state.raw<Experiment | null>(null);
  report = $state.raw<Report | null>(null);
  /** What the run let pass and is probably not meant. */
  warnings = $state.raw<Extract<Event, { type: 'warning' }>[]>([]);
  error = $state.raw<Trouble | null>(null);
  /** The point in time that the timeline looks at; null while it is the present. Charts and samples follow it. */
  moment = $state.raw<PointInTime | null>(null);
  /** The recording that is on show instead of a run of this machine. */
  recorded = $state.raw<RecordedRun | null>(null);

  private readonly redraw = new Redraw(() => this.show(), redrawInterval);
  /** What is asked of the worker and waits for its answer. */
  readonly questions: Questions;
  private told: Told = { metrics: new MetricsBook(), samples: new SampleBook(), stages: [] };
  private shown = $state.raw<Told>(this.told);
  private ownSecondsLeft: number | null = null;
  /** Those that wait for the end of the run. */
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly send: (command: Command) => void) {
    this.questions = new Questions(send);
  }

  /** The model of what is on show: a recording tells of one that the worker need not have. */
  get model(): ModelReport | null {
    return this.recorded?.model ?? this.loaded?.model ?? null;
  }

  get stages(): StageView[] {
    return this.shown.stages;
  }

  /** A run is at work; one that is only played is not. */
  get busy(): boolean {
    return this.recorded === null && (this.run === 'running' || this.run === 'paused');
  }

  /** Resolves once no run is at work any more. */
  still(): Promise<void> {
    return this.busy ? new Promise((done) => this.waiting.push(done)) : Promise.resolve();
  }

  /** Share of the run that is done, in [0, 1]. */
  get share(): number {
    return runShare(this.stages);
  }

  /** Seconds the run still needs, null while that is unknown. */
  get secondsLeft(): number | null {
    return secondsLeft(this.stages, this.ownSecondsLeft);
  }

  get current(): StageView | null {
    return (
      this.stages.find(({ state }) => state === 'running' || state === 'paused' || state === 'failed') ?? null
    );
  }

  stage(name: string): StageView | null {
    return this.stages.find((stage) => stage.name === name) ?? null;
  }

  /** Metrics of a stage; a view that reads them is told of new ones. */
  columns(stage: string): MetricColumns {
    return this.shown.metrics.of(stage);
  }

  /** Settings of a stage of the run on show. */
  settings(name: string): Stage | null {
    const stages = this.experiment?.stages ?? [];
    return stages[stageNames(stages).indexOf(name)] ?? null;
  }

  get samples(): SampleBook {
    return this.shown.samples;
  }

  /** Does something, and says whether it could be done; what goes wrong is told above all views, with a button that does
   *  it again. */
  async attempt(action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      this.error = troubleOf(error, () => void this.attempt(action));
      return false;
    }
  }

  /** Starts a run, or goes on with one from its checkpoint. */
  start(runId: string, experiment: Experiment, resume: boolean, from?: string): void {
    if (!resume || runId !== this.runId) this.reset(runId, experiment);
    this.error = null;
    this.run = 'running';
    this.send({ type: 'start', runId, experiment, resume, ...(from !== undefined && { from }) });
  }

  /** Forgets the last run and lists the stages of the next, so that what a run told can be shown again. */
  reset(runId: string | null, experiment: Experiment): void {
    const names = stageNames(experiment.stages);
    const stages = experiment.stages.map((stage, i): StageView => ({
      name: names[i] ?? stage.kind,
      state: 'waiting',
      weight: stageWork(stage),
      step: 0,
      totalSteps: 0,
      seconds: 0,
    }));
    this.told = { metrics: new MetricsBook(), samples: new SampleBook(), stages };
    this.ownSecondsLeft = null;
    this.runId = runId;
    this.experiment = experiment;
    this.run = 'waiting';
    this.report = null;
    this.warnings = [];
    this.error = null;
    this.moment = null;
    this.recorded = null;
    this.show();
  }

  /** Makes ready for a recording, which is told as it is played. */
  showRecorded(runId: string | null, run: RecordedRun): void {
    this.reset(runId, run.experiment);
    this.recorded = run;
  }

  /** Forgets what the run told after a checkpoint, the changes of its settings among it. */
  goBack({ stage, step }: CheckpointPlace, experiment: Experiment): void {
    const { metrics, samples, stages } = this.told;
    this.reset(this.runId, experiment);
    const isEarlier = (checkpoint: string): boolean => {
      const [name, at] = checkpoint.split('@');
      const index = stages.findIndex((each) => each.name === name);
      return index < stage || (index === stage && at !== undefined && Number(at) <= step);
    };
    for (const { moments, ...watched } of samples.watched) {
      const earlier = moments.filter(({ checkpoint }) => isEarlier(checkpoint));
      this.addSamples(earlier.map((moment) => ({ ...watched, ...moment })));
    }
    this.addSamples(samples.updates.filter(({ checkpoint }) => isEarlier(checkpoint)));
    for (const { name } of stages.slice(0, stage + 1)) {
      const all = name !== stages[stage]?.name;
      for (const row of metrics.of(name).rows) if (all || row.step <= step) this.file(row);
      if (all) this.change(name, { state: 'finished' });
    }
    this.show();
  }

  /** Shows a run that an earlier visit left behind or, `watched`, one that another tab is at work on: the same run as it
   *  stands now, so whoever looks back at a moment of it still does. */
  restore({ runId, experiment, metrics, samples, report, changes }: SavedRun, watched = false): void {
    const { moment, error } = this;
    const same = runId === this.runId;
    this.reset(runId, withChanges(experiment, changes));
    if (same) Object.assign(this, { moment, error });
    for (const row of metrics) this.file(row);
    this.addSamples(samples);
    this.report = shownReport(experiment, report);
    this.run = report ? 'finished' : 'stopped';
    // A stage has ended if the one after it began; only the last that began can be in the middle.
    const last = this.told.stages.findLastIndex(({ step }) => step > 0);
    const middle = watched ? 'running' : 'stopped';
    this.told.stages = this.told.stages.map((stage, i) => {
      const state = report || i < last ? 'finished' : i === last ? middle : 'waiting';
      return { ...stage, state, totalSteps: Math.max(stage.step, plannedSteps(experiment.stages[i])) };
    });
    this.show();
  }

  receive(event: Event): void {
    const asked = this.questions.hear(event);
    switch (event.type) {
      case 'device':
        this.device = event.device;
        break;
      case 'memory':
        this.memory = event.memory;
        break;
      case 'loading':
        this.loading = event;
        break;
      case 'model':
        this.loaded = event;
        this.loading = null;
        break;
      case 'stage':
        this.change(event.name, event);
        this.show();
        break;
      case 'metrics':
        this.addMetrics(event);
        break;
      case 'sample':
        this.addSamples([event.sample]);
        break;
      case 'run':
        this.run = event.state;
        this.loading = null;
        this.halt(event.state);
        this.show();
        if (!this.busy) for (const done of this.waiting.splice(0)) done();
        break;
      case 'report':
        this.report = this.experiment && shownReport(this.experiment, event.report);
        break;
      case 'warning':
        this.warnings = [...this.warnings, event];
        break;
      case 'changed':
        this.experiment &&= withChanges(this.experiment, [event.change]);
        break;
      case 'error':
        this.loading = null;
        // Whoever asked tells of it where it was asked.
        if (!asked) this.error = event.error;
        break;
      default: // what was asked for has its answer
    }
  }

  addSamples(samples: readonly SampleRow[]): void {
    const { experiment } = this;
    for (const sample of samples)
      this.told.samples.add(experiment ? shownSample(experiment, sample) : sample);
    this.redraw.ask();
  }

  private addMetrics({ row, secondsLeft }: Extract<Event, { type: 'metrics' }>): void {
    this.file(row);
    this.ownSecondsLeft = secondsLeft;
    this.redraw.ask();
  }

  private file(row: MetricsRow): void {
    this.told.metrics.append(row);
    const spent = typeof row['seconds'] === 'number' ? row['seconds'] : 0;
    const before = this.told.stages.find(({ name }) => name === row.stage)?.seconds ?? 0;
    this.change(row.stage, { step: row.step, seconds: before + spent });
  }

  /** A stage is paused while its run is, whether or not the worker says so of both. */
  private halt(run: StageState): void {
    if (run !== 'paused' && run !== 'running') return;
    const other = run === 'paused' ? 'running' : 'paused';
    this.told.stages = this.told.stages.map((stage) =>
      stage.state === other ? { ...stage, state: run } : stage,
    );
  }

  private change(name: string, now: Partial<StageProgress>): void {
    this.told.stages = this.told.stages.map((stage) =>
      stage.name === name ? { ...stage, ...pick(now) } : stage,
    );
  }

  private show(): void {
    this.shown = { ...this.told };
  }
}

function pick({ state, step, totalSteps, seconds }: Partial<StageProgress>): Partial<StageProgress> {
  return Object.fromEntries(
    Object.entries({ state, step, totalSteps, seconds }).filter(([, value]) => value !== undefined),
  );
}
