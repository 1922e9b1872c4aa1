// What the worker has told so far: its device, its model, and the run with its stages, metrics, samples and report.
// Metrics and samples are kept in plain classes; `shown` is set at most ten times a second and is what views watch.

import { withChanges } from '../../shared/changes';
import type { Budget } from '../../shared/budget';
import type { PlainError } from '../../shared/errors';
import { stageNames, type Experiment, type Stage } from '../../shared/experiment';
import type {
  AnswerPair,
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
import { plannedSteps, runShare, secondsLeft, stageWork, type StageProgress } from '../lib/progress';
import { Redraw, redrawInterval } from '../lib/redraw';
import { SampleBook } from '../lib/samples';
import { Lookups } from '../lib/lookups';
import { Requests } from '../lib/requests';
import { type MetricColumns, MetricsBook } from '../lib/series';
import type { SavedRun } from './saved';

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
  model = $state.raw<ModelReport | null>(null);
  run = $state<StageState>('waiting');
  runId = $state<string | null>(null);
  /** What the run on show was started with, and changed to since. */
  experiment = $state.raw<Experiment | null>(null);
  report = $state.raw<Report | null>(null);
  error = $state.raw<PlainError | null>(null);
  /** The point in time that the timeline looks at; null while it is the present. Charts and samples follow it. */
  moment = $state.raw<PointInTime | null>(null);
  /** The recording that is on show instead of a run of this machine. */
  recorded = $state.raw<RecordedRun | null>(null);

  private readonly redraw = new Redraw(() => this.show(), redrawInterval);
  private readonly answers = new Requests<string[]>();
  /** Looks at data. */
  readonly lookups = new Lookups((command) => this.send(command));
  private readonly pairs = new Requests<AnswerPair[]>();
  private readonly exports = new Requests<Uint8Array>();
  private readonly budgets = new Requests<Budget>();
  private told: Told = { metrics: new MetricsBook(), samples: new SampleBook(), stages: [] };
  private shown = $state.raw<Told>(this.told);
  private ownSecondsLeft: number | null = null;

  constructor(private readonly send: (command: Command) => void) {}

  get stages(): StageView[] {
    return this.shown.stages;
  }

  /** A run is at work; one that is only played is not. */
  get busy(): boolean {
    return this.recorded === null && (this.run === 'running' || this.run === 'paused');
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
    this.error = null;
    this.moment = null;
    this.recorded = null;
    this.show();
  }

  /** Makes ready for a recording, which is told as it is played. */
  showRecorded(runId: string | null, run: RecordedRun): void {
    this.reset(runId, run.experiment);
    this.recorded = run;
    this.model ??= run.model;
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

  /** Texts that continue the prompts, by the adapter of a stage (`null`: the bare model). */
  generate(prompts: string[], runId: string | null, adapter: string | null, seed: number): Promise<string[]> {
    const options = { maxNewTokens: 48, minNewTokens: 0, temperature: 1, topK: 0, topP: 1, seed };
    return this.answers.ask((request) =>
      this.send({ type: 'generate', request, runId, adapter, prompts, options }),
    );
  }

  /** A run kept in this browser as one file. */
  export(runId: string, experiment: Experiment): Promise<Uint8Array> {
    return this.exports.ask((request) => this.send({ type: 'export', request, runId, experiment }));
  }

  /** What an experiment would take with the model that is loaded. */
  budget(experiment: Experiment): Promise<Budget> {
    const { runId } = this;
    return this.budgets.ask((request) => this.send({ type: 'budget', request, runId, experiment }));
  }

  /** Pairs of answers to the experiment's prompts, numbered from `from`, by the adapter of a stage. */
  samplePairs(
    experiment: Experiment,
    adapter: string | null,
    from: number,
    count: number,
  ): Promise<AnswerPair[]> {
    const { runId } = this;
    return this.pairs.ask((request) =>
      this.send({ type: 'samplePairs', request, runId, adapter, experiment, from, count }),
    );
  }

  /** Shows a run that an earlier visit left behind. */
  restore({ runId, experiment, metrics, samples, report, changes }: SavedRun): void {
    this.reset(runId, withChanges(experiment, changes));
    for (const row of metrics) this.file(row);
    this.addSamples(samples);
    this.report = report;
    this.run = report ? 'finished' : 'stopped';
    // A stage has ended if the one after it began; only the last that began can be in the middle.
    const last = this.told.stages.findLastIndex(({ step }) => step > 0);
    this.told.stages = this.told.stages.map((stage, i) => {
      const state = report || i < last ? 'finished' : i === last ? 'stopped' : 'waiting';
      return { ...stage, state, totalSteps: Math.max(stage.step, plannedSteps(experiment.stages[i])) };
    });
    this.show();
  }

  receive(event: Event): void {
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
        this.model = event.model;
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
        break;
      case 'report':
        this.report = event.report;
        break;
      case 'changed':
        this.experiment &&= withChanges(this.experiment, [event.change]);
        break;
      case 'generated':
        this.answers.answer(event.request, event.completions);
        break;
      case 'budgeted':
        this.budgets.answer(event.request, event.budget);
        break;
      case 'exported':
        this.exports.answer(event.request, event.bytes);
        break;
      case 'sampledPairs':
        this.pairs.answer(event.request, event.pairs);
        break;
      case 'rowsLookedAt':
      case 'rowsFit':
      case 'rowMasked':
        this.lookups.hear(event);
        break;
      case 'error':
        this.fail(event);
        break;
      case 'rows':
      case 'goldenResult':
        break;
    }
  }

  addSamples(samples: readonly SampleRow[]): void {
    for (const sample of samples) this.told.samples.add(sample);
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

  private fail({ request, error }: Extract<Event, { type: 'error' }>): void {
    if (
      request !== null &&
      [this.answers, this.pairs, this.exports, this.budgets, this.lookups].some((asked) =>
        asked.fail(request, error),
      )
    )
      return;
    this.error = error;
    this.loading = null;
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
