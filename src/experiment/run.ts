// Runs the stages of an experiment one after the other, writes what interface.md names (metrics.jsonl, samples.jsonl,
// adapters/, report.json, report.md), and leaves at every checkpoint all that is needed to go on from there to the
// same bytes.

import { reportMarkdown } from '../evaluate/report';
import { type ReadBytes, resolveSource } from '../data/sources';
import { trimPool } from '../engine/memory';
import type { LanguageModel } from '../model/types';
import { toPlainError } from '../shared/errors';
import { type Experiment, stageNames } from '../shared/experiment';
import { fingerprint } from '../shared/fingerprint';
import { methodOf } from '../shared/methods';
import type { ChangeRow, DeviceReport, Event, Report, StageState } from '../shared/protocol';
import { readText, type RunStore, truncateLines, writeText } from '../storage/run-store';
import { disposeState, type TrainState } from '../train/state';
import { type Checkpoint, loadCheckpoint, type Origin, saveCheckpoint } from './checkpoint';
import type { Control } from './control';
import { readAhead } from './read-ahead';
import { openStage } from './stages';
import type { Progress } from './stored-state';
import { keepFirstRows } from './first-rows';
import { BEFORE_TRAINING, openWatch } from './watch';
import { adoptAdapters, type RunningStage, type Workshop } from './workshop';

export interface RunOptions {
  experiment: Experiment;
  model: LanguageModel;
  device: DeviceReport;
  store: RunStore;
  readData: ReadBytes;
  /** Go on from the store's checkpoint; without one, begin. */
  resume: boolean;
  /** The checkpoint to go back to, in place of the last. */
  from?: string | undefined;
  control: Control;
  tell: (event: Event) => void;
}

const METRICS = 'metrics.jsonl';
const SAMPLES = 'samples.jsonl';
const CHANGES = 'changes.jsonl';

/** Steps between checkpoints of stages that have no save_steps of their own. */
const SAVE_STEPS = 5;

/** Runs to the end, or until stopped. Tells every row, state and the report; throws what ended it, after telling. */
export async function runExperiment(options: RunOptions): Promise<Report | null> {
  const { tell } = options;
  tell({ type: 'run', state: 'running' });
  try {
    const report = await new Run(options).all();
    if (report) tell({ type: 'report', report });
    tell({ type: 'run', state: report ? 'finished' : 'stopped' });
    return report;
  } catch (error) {
    tell({ type: 'error', request: null, error: toPlainError(error) });
    tell({ type: 'run', state: 'failed' });
    throw error;
  }
}

/** With fingerprints of the model and of all rows. */
async function originOf({ experiment, device, model, readData }: RunOptions): Promise<Origin> {
  const fingerprints: Record<string, string> = {};
  if (model.fingerprint !== undefined) fingerprints['model'] = model.fingerprint;
  for (const part of ROWS) {
    const name = experiment.data[part];
    const bytes = name === undefined ? null : await readData(resolveSource(name));
    if (bytes) fingerprints[part] = fingerprint(bytes);
  }
  return { experiment, backend: device.backend, fingerprints };
}

const ROWS = ['text', 'sft', 'prompts', 'eval_prompts', 'preferences'] as const;

class Run {
  private progress: Progress = {
    stage: 0,
    seconds: {},
    lines: {},
    found: { evaluation: {}, comparisons: {}, findings: {} },
  };
  private origin: Origin;
  private readonly names: string[];
  /** A copy of the experiment, in which settings may change while the run is at work. */
  private readonly experiment: Experiment;
  private readonly workshop: Workshop;
  /** Samples that wait to be written, in the order they came. */
  private readonly watched: object[] = [];
  /** Warnings that were told: two stages that see the same say it once. */
  private readonly warned = new Set<string>();

  constructor(private readonly options: RunOptions) {
    const { model, store, readData } = options;
    const experiment = structuredClone(options.experiment);
    this.experiment = experiment;
    this.origin = { experiment: options.experiment, backend: options.device.backend };
    this.names = stageNames(experiment.stages);
    const append = (path: string, rows: readonly object[]): Promise<void> => this.append(path, rows);
    const onSample: Workshop['onSample'] = (sample) => {
      this.watched.push(sample);
      const [stage = '', step = '0'] = sample.checkpoint.split('@');
      options.tell({ type: 'sample', stage, step: Number(step), sample });
    };
    const warn: Workshop['warn'] = (message, fix) => {
      if (this.warned.has(message)) return;
      this.warned.add(message);
      options.tell({ type: 'warning', stage: this.names[this.progress.stage] ?? '', message, fix });
    };
    this.workshop = { experiment, model, store, readData, append, onSample, warn };
  }

  async all(): Promise<Report | null> {
    let restore = await this.begin();
    while (this.progress.stage < this.experiment.stages.length) {
      if (!(await this.stage(restore))) return null;
      restore = null;
    }
    return this.report();
  }

  /** Makes everything as it was at the checkpoint, or as it is before the first step; how to fill in the stage's state. */
  private async begin(): Promise<Checkpoint['restore']> {
    const { store, resume, from } = this.options;
    this.origin = await originOf(this.options);
    const checkpoint = resume ? await loadCheckpoint(store, this.origin, from) : null;
    await readAhead(this.workshop, checkpoint?.progress.stage ?? 0);
    if (checkpoint) this.progress = checkpoint.progress;
    else {
      await adoptAdapters(this.workshop);
      await keepFirstRows(this.workshop);
    }
    await this.cutOutputs();
    await this.redoChanges();
    if (!checkpoint) await saveCheckpoint(store, this.origin, this.progress, null);
    return checkpoint?.restore ?? null;
  }

  /** What was written after the checkpoint (without one: all of an earlier run) goes. */
  private async cutOutputs(): Promise<void> {
    const { experiment, store } = this.options;
    const pairs = this.names
      .filter((_, i) => experiment.stages[i]!.kind === 'pairs')
      .map((name) => `${name}.jsonl`);
    for (const path of [METRICS, SAMPLES, CHANGES, ...pairs]) {
      await truncateLines(store, path, this.progress.lines[path] ?? 0);
    }
  }

  /** Settings as they were changed up to the checkpoint. */
  private async redoChanges(): Promise<void> {
    const text = (await readText(this.options.store, CHANGES)) ?? '';
    for (const line of text.split('\n').filter(Boolean)) this.change(JSON.parse(line) as ChangeRow);
  }

  private change(change: ChangeRow): void {
    Object.assign(this.settingsOf(change.stage), { [change.key]: change.value });
    this.options.tell({ type: 'changed', change });
  }

  private settingsOf(name: string): Record<string, unknown> {
    return this.experiment.stages[this.names.indexOf(name)] as unknown as Record<string, unknown>;
  }

  /** Takes up what was changed since the last step, for this stage and those to come; whether there was anything. */
  private async takeChanges({ step, scalars }: TrainState): Promise<boolean> {
    const { stage: index } = this.progress;
    const here = this.names[index];
    const rows = this.options.control
      .takeChanges()
      .filter(({ stage }) => this.names.indexOf(stage) >= index)
      .filter(({ stage, key, value }) => this.settingsOf(stage)[key] !== value)
      .map((change): ChangeRow => ({ ...change, step: change.stage === here ? step : 0 }));
    for (const row of rows) {
      this.change(row);
      // What the stage itself steers, like kl_coef, it keeps among its scalars.
      if (row.stage === here && row.key in scalars) scalars[row.key] = row.value ?? 0;
    }
    await this.append(CHANGES, rows);
    return rows.length > 0;
  }

  private async append(path: string, rows: readonly object[]): Promise<void> {
    if (rows.length === 0) return;
    await this.options.store.append(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    this.progress.lines[path] = (this.progress.lines[path] ?? 0) + rows.length;
  }

  /** Runs the stage in progress; false when it was stopped. */
  private async stage(restore: Checkpoint['restore']): Promise<boolean> {
    const { stage: index, found } = this.progress;
    const name = this.names[index]!;
    let opened: RunningStage | null = null;
    try {
      opened = await openStage(this.workshop, index);
      restore?.(opened.state);
      this.tellStage('running', opened.totalSteps);
      if (!(await this.steps(opened))) {
        this.tellStage('stopped', opened.totalSteps);
        return false;
      }
      const began = performance.now();
      const { evaluation, comparisons, findings } = await opened.finish();
      Object.assign(found.evaluation, evaluation);
      Object.assign(found.comparisons, comparisons);
      Object.assign(found.findings, findings);
      this.addSeconds(name, began);
      this.tellStage('finished', opened.totalSteps);
    } catch (error) {
      this.tellStage('failed', opened?.totalSteps ?? 0);
      this.options.control.check(); // of what failed first, the rest may be a consequence
      throw error;
    } finally {
      if (opened) {
        disposeState(opened.state);
        opened.dispose();
        trimPool(); // The next stage has lengths of its own.
      }
    }
    this.progress.stage = index + 1;
    await saveCheckpoint(this.options.store, this.origin, this.progress, null);
    return true;
  }

  /** All steps that are left; false when stopped, with a checkpoint of where. */
  private async steps({ state, totalSteps, steps, explain }: RunningStage): Promise<boolean> {
    const { experiment, store, control, tell } = this.options;
    const settings = experiment.stages[this.progress.stage]!;
    const name = this.names[this.progress.stage]!;
    const saveSteps = 'save_steps' in settings ? settings.save_steps : SAVE_STEPS;
    const save = (): Promise<void> => saveCheckpoint(store, this.origin, this.progress, state);
    const onWait = async (waiting: boolean): Promise<void> => {
      if (waiting) await save();
      this.tellStage(waiting ? 'paused' : 'running', totalSteps);
      tell({ type: 'run', state: waiting ? 'paused' : 'running' });
    };

    const watch = await openWatch(this.workshop);
    const watched = methodOf(settings.kind).leaves === 'policy' ? state.adapters['policy'] : undefined;
    if (this.progress.lines[SAMPLES] === undefined) await watch(BEFORE_TRAINING, null);

    const generator = steps();
    for (;;) {
      if (!(await control.next(onWait))) {
        await save();
        return false;
      }
      if (await this.takeChanges(state)) await save();
      const began = performance.now();
      const next = await generator.next();
      control.check();
      const seconds = this.addSeconds(name, began);
      if (next.done) return true;
      const due = state.step % saveSteps === 0;
      if (due && watched) await watch(`${name}@${state.step}`, watched, explain);
      await this.append(SAMPLES, this.watched.splice(0));
      const row = { ...next.value, seconds };
      await this.append(METRICS, [row]);
      const left = Math.max(0, totalSteps - state.step);
      tell({ type: 'metrics', row, secondsLeft: (this.progress.seconds[name]! / state.step) * left });
      if (due) await save();
    }
  }

  /** Adds the time since `began` to the stage's; that time in seconds. */
  private addSeconds(name: string, began: number): number {
    const seconds = (performance.now() - began) / 1000;
    this.progress.seconds[name] = (this.progress.seconds[name] ?? 0) + seconds;
    return seconds;
  }

  private tellStage(state: StageState, totalSteps: number): void {
    const { stage } = this.progress;
    const name = this.names[stage]!;
    const { kind } = this.options.experiment.stages[stage]!;
    this.options.tell({
      type: 'stage',
      name,
      kind,
      state,
      totalSteps,
      seconds: this.progress.seconds[name] ?? 0,
    });
  }

  private async report(): Promise<Report> {
    const { experiment, device, store } = this.options;
    const { seconds, found } = this.progress;
    const { name, seed } = experiment;
    const report = { name, seed, backend: device.backend, device: device.adapter, seconds, ...found };
    await writeText(store, 'report.json', `${JSON.stringify(report, null, 2)}\n`);
    await writeText(store, 'report.md', reportMarkdown(report));
    return report;
  }
}
