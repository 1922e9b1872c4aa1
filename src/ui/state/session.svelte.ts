// What the worker has told so far: its device, its model, and the run with its stages, metrics, samples and report.
// Metrics and samples are kept in plain classes; `tick` moves at most ten times a second and is what the views watch.

import type { PlainError } from '../../shared/errors';
import { stageNames, type Experiment } from '../../shared/experiment';
import type { Command, DeviceReport, Event, MemoryReport, ModelReport, Report, StageState } from '../../shared/protocol';
import { secondsLeft, runShare, stageWork, type StageProgress } from '../lib/progress';
import { Redraw, redrawInterval } from '../lib/redraw';
import { SampleBook } from '../lib/samples';
import { MetricColumns } from '../lib/series';

export interface Loading {
  what: string;
  loadedBytes: number;
  totalBytes: number;
}

export type StageView = StageProgress & { name: string };

const NOTHING = new MetricColumns();

export class Session {
  device = $state.raw<DeviceReport | null>(null);
  memory = $state.raw<MemoryReport | null>(null);
  loading = $state.raw<Loading | null>(null);
  model = $state.raw<ModelReport | null>(null);
  run = $state<StageState>('waiting');
  runId = $state<string | null>(null);
  stages = $state.raw<StageView[]>([]);
  report = $state.raw<Report | null>(null);
  error = $state.raw<PlainError | null>(null);
  tick = $state(0);

  private readonly redraw = new Redraw(() => this.show(), redrawInterval);
  private readonly answers = new Map<number, { resolve(texts: string[]): void; reject(error: PlainError): void }>();
  private metrics = new Map<string, MetricColumns>();
  private book = new SampleBook();
  private live: StageView[] = [];
  private ownSecondsLeft: number | null = null;
  private requests = 0;

  constructor(private readonly send: (command: Command) => void) {}

  get busy(): boolean {
    return this.run === 'running' || this.run === 'paused';
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
    return this.stages.find(({ state }) => state === 'running' || state === 'paused' || state === 'failed') ?? null;
  }

  stage(name: string): StageView | null {
    return this.stages.find((stage) => stage.name === name) ?? null;
  }

  /** Metrics of a stage; read `tick` beside it to be told of new ones. */
  columns(stage: string): MetricColumns {
    return this.metrics.get(stage) ?? NOTHING;
  }

  get samples(): SampleBook {
    return this.book;
  }

  /** Starts a run, or goes on with one from its checkpoint. */
  start(runId: string, experiment: Experiment, resume: boolean): void {
    this.reset(runId, experiment);
    this.run = 'running';
    this.send({ type: 'start', runId, experiment: $state.snapshot(experiment), resume });
  }

  /** Forgets the last run and lists the stages of the next, so that what a run told can be shown again. */
  reset(runId: string | null, experiment: Experiment): void {
    const names = stageNames(experiment.stages);
    this.live = experiment.stages.map((stage, i) => ({
      name: names[i] ?? stage.kind,
      state: 'waiting',
      weight: stageWork(stage),
      step: 0,
      totalSteps: 0,
      seconds: 0,
    }));
    this.metrics = new Map();
    this.book = new SampleBook();
    this.ownSecondsLeft = null;
    this.runId = runId;
    this.run = 'waiting';
    this.report = null;
    this.error = null;
    this.show();
  }

  /** Texts that continue the prompts, by the adapter of a stage (`null`: the bare model). */
  generate(prompts: string[], runId: string | null, adapter: string | null, seed: number): Promise<string[]> {
    const request = ++this.requests;
    const options = { maxNewTokens: 48, minNewTokens: 0, temperature: 1, topK: 0, topP: 1, seed };
    return new Promise((resolve, reject) => {
      this.answers.set(request, { resolve, reject });
      this.send({ type: 'generate', request, runId, adapter, prompts, options });
    });
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
        this.book.add(event.stage, event.step, event.sample);
        this.redraw.ask();
        break;
      case 'run':
        this.run = event.state;
        this.loading = null;
        this.show();
        break;
      case 'report':
        this.report = event.report;
        break;
      case 'generated':
        this.answers.get(event.request)?.resolve(event.completions);
        this.answers.delete(event.request);
        break;
      case 'error':
        this.fail(event);
        break;
      case 'rows':
      case 'goldenResult':
        break;
    }
  }

  private addMetrics({ row, secondsLeft }: Extract<Event, { type: 'metrics' }>): void {
    const columns = this.metrics.get(row.stage) ?? new MetricColumns();
    this.metrics.set(row.stage, columns);
    columns.append(row);
    this.ownSecondsLeft = secondsLeft;
    this.change(row.stage, { step: row.step });
    this.redraw.ask();
  }

  private fail({ request, error }: Extract<Event, { type: 'error' }>): void {
    const answer = request === null ? undefined : this.answers.get(request);
    if (answer) {
      answer.reject(error);
      this.answers.delete(request ?? 0);
      return;
    }
    this.error = error;
    this.loading = null;
  }

  private change(name: string, now: Partial<StageProgress>): void {
    this.live = this.live.map((stage) => (stage.name === name ? { ...stage, ...pick(now) } : stage));
  }

  private show(): void {
    this.stages = this.live;
    this.tick += 1;
  }
}

function pick({ state, step, totalSteps, seconds }: Partial<StageProgress>): Partial<StageProgress> {
  return Object.fromEntries(
    Object.entries({ state, step, totalSteps, seconds }).filter(([, value]) => value !== undefined),
  );
}
