// What the worker does with commands, whatever carries them: it holds one device, one model and at most one run.
// Commands that compute wait for each other; what steers a run (pause, resume, step, stop) and sampling while one is
// under way come in between two of its steps.

import { openDevice, onDeviceProblem } from '../engine/device';
import { memoryInUse } from '../engine/memory';
import { roomFor } from '../engine/webgpu/room';
import { Control } from '../experiment/control';
import { runGolden } from '../experiment/golden';
import { freshPairs } from '../experiment/pairs';
import { generateRows, scoreRows } from '../experiment/rows';
import { packRun } from '../experiment/recording';
import { budgetOf, plan } from '../experiment/budget';
import { packingCost } from '../experiment/packing-cost';
import { runExperiment } from '../experiment/run';
import { generate } from '../model/generate';
import { disposeModel, loadModel } from '../model/load';
import type { Adapter } from '../model/lora';
import { readPeft } from '../model/peft';
import type { LanguageModel, LoadProgress, ReadFile, Tokenizer } from '../model/types';
import { WASM_LIMIT } from '../shared/budget';
import { checkChange } from '../shared/changes';
import { PlaygroundError, toPlainError } from '../shared/errors';
import type { Experiment, Quantization } from '../shared/experiment';
import type {
  Command,
  DeviceReport,
  Event,
  ModelReport,
  ModelSource,
  SettingChange,
} from '../shared/protocol';
import { dataOf, directoryOf, storeOf } from './files';
import { look } from './look';
import { chooseKernels } from './tuning';

type Of<T extends Command['type']> = Extract<Command, { type: T }>;

export class Host {
  private device: DeviceReport | null = null;
  private model: { source: ModelSource; quantization: Quantization; loaded: LanguageModel } | null = null;
  private control: Control | null = null;
  private experiment: Experiment | null = null;
  /** Resolves once the run that was started has its model, or will have none. */
  private ready: Promise<void> = Promise.resolve();
  private beReady: () => void = () => undefined;
  /** What the model being loaded can be stopped with. */
  private loading: AbortController | null = null;
  /** Most bytes that the device gives, as far as it is known. */
  private limit: number | null = null;
  /** Seconds of rest before every step. */
  private pace = 0;
  /** The commands that compute, one after the other. */
  private queue: Promise<void> = Promise.resolve();

  constructor(private readonly tell: (event: Event) => void) {
    onDeviceProblem((problem) => {
      if (this.control) this.control.fail(problem);
      else this.tell({ type: 'error', request: null, error: toPlainError(problem) });
    });
    setInterval(() => {
      if (this.device) this.tell({ type: 'memory', memory: memoryInUse() });
    }, 1000);
  }

  /** Never throws: what goes wrong is told. */
  handle(command: Command): void {
    switch (command.type) {
      case 'pause':
      case 'resume':
      case 'step':
      case 'stop':
        this.control?.[command.type]();
        return;
      case 'pace':
        this.pace = command.seconds;
        this.control?.pace(command.seconds);
        return;
      case 'change':
        return void this.attempt(null, () => this.change(command.change));
      case 'cancelLoading':
        this.loading?.abort(
          new PlaygroundError(
            'cancelled',
            'The download was cancelled.',
            'Start it again: it goes on where it was.',
          ),
        );
        return;
      case 'lookAtRows':
      case 'fitRows':
      case 'maskRow':
        return void this.attempt(command.request, async () =>
          this.tell(await look(command, this.model?.loaded ?? null)),
        );
      case 'budget':
        return void this.attempt(command.request, () => this.budget(command));
      case 'export':
        return void this.attempt(command.request, () => this.export(command));
      case 'generate':
      case 'samplePairs':
        // During a run they are answered between two steps, not after the last.
        if (!this.control) break;
        return void this.attempt(command.request, async () => {
          await this.ready;
          await this.compute(command);
        });
      case 'start':
        if (this.control) {
          const busy = new PlaygroundError(
            'bad-arguments',
            'A run is under way.',
            'Stop it, or wait for its end.',
          );
          return this.tell({ type: 'error', request: null, error: toPlainError(busy) });
        }
        this.control = new Control();
        this.control.pace(this.pace);
        this.experiment = command.experiment;
        this.ready = new Promise((resolve) => (this.beReady = resolve));
    }
    const request = 'request' in command ? command.request : null;
    this.queue = this.queue.then(() => this.attempt(request, () => this.compute(command)));
  }

  private change(change: SettingChange): void {
    if (!this.control || !this.experiment) return;
    checkChange(this.experiment, change);
    this.control.change(change);
  }

  private async attempt(request: number | null, action: () => Promise<void> | void): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.tell({ type: 'error', request, error: toPlainError(error) });
    }
  }

  private async compute(command: Command): Promise<void> {
    switch (command.type) {
      case 'open':
        this.device = await openDevice(command.backend);
        this.limit = this.device.backend === 'wasm' ? WASM_LIMIT : null;
        this.tell({ type: 'device', device: this.device });
        return;
      case 'loadModel':
        await this.load(command.model, command.quantization, command.request);
        return;
      case 'start':
        return this.start(command);
      case 'generate':
        return this.generate(command);
      case 'samplePairs':
        return this.samplePairs(command);
      case 'measurePacking':
        return this.measurePacking(command);
      case 'score':
        return this.rows(command, (model, adapter) =>
          scoreRows(model, adapter, command.rows, command.source),
        );
      case 'generateRows':
        return this.rows(command, (model, adapter) =>
          generateRows(model, adapter, command.rows, command.source, command.n, command.options),
        );
      case 'golden': {
        const { backend } = this.opened();
        const rows = await runGolden(directoryOf(`dir:${command.directory}`));
        this.tell({ type: 'goldenResult', request: command.request, backend, rows });
      }
    }
  }

  private opened(): DeviceReport {
    if (this.device) return this.device;
    throw new PlaygroundError('bad-arguments', 'No device is open yet.', 'Send the command "open" first.');
  }

  private async load(
    source: ModelSource,
    quantization: Quantization = 'none',
    request: number | null = null,
  ): Promise<LanguageModel> {
    this.opened();
    if (this.model?.source === source && this.model.quantization === quantization) {
      this.tell({ type: 'model', request, source, model: inFigures(this.model.loaded) });
      return this.model.loaded;
    }
    if (this.model) disposeModel(this.model.loaded);
    this.model = null;
    const progress: LoadProgress = (what, loadedBytes, totalBytes) =>
      this.tell({ type: 'loading', what, loadedBytes, totalBytes });
    this.loading = new AbortController();
    const { signal } = this.loading;
    const loaded = await loadModel(
      source,
      directoryOf(source, progress, signal),
      progress,
      quantization,
    ).catch((error: unknown) => {
      // Whatever the broken-off reading complains of, this is why.
      signal.throwIfAborted();
      throw error;
    });
    this.model = { source, quantization, loaded };
    this.tell({ type: 'model', request, source, model: inFigures(loaded) });
    return loaded;
  }

  private async budget({ request, runId, experiment }: Of<'budget'>): Promise<void> {
    const { loaded } = this.model ?? {};
    if (!loaded) throw new PlaygroundError('bad-arguments', 'No model is loaded yet.', 'Load one first.');
    const budget = await budgetOf(loaded, experiment, dataOf(runId), this.limit);
    this.tell({ type: 'budgeted', request, budget });
  }

  private async measurePacking({ request, runId, experiment }: Of<'measurePacking'>): Promise<void> {
    const source = experiment.model;
    const model = await this.load(source, experiment.quantization);
    const whole = await loadModel(source, directoryOf(source));
    try {
      const cost = await packingCost(whole, { model, experiment, readData: dataOf(runId) });
      this.tell({ type: 'packingMeasured', request, cost });
    } finally {
      disposeModel(whole);
    }
  }

  /** The most that the device gives, known once it has refused something. */
  private async limitFor(bytes: number): Promise<number | null> {
    if (this.opened().backend === 'wasm') return this.limit;
    const { allocatedBytes } = memoryInUse();
    const wanted = Math.max(0, bytes - allocatedBytes);
    const given = await roomFor(wanted);
    this.limit = given < wanted ? allocatedBytes + given : null;
    return this.limit;
  }

  private async export({ request, runId, experiment }: Of<'export'>): Promise<void> {
    const loaded = this.model?.source === experiment.model ? this.model.loaded : null;
    const bytes = await packRun(storeOf(runId), experiment, loaded && inFigures(loaded));
    this.tell({ type: 'exported', request, bytes });
  }

  private async start({ runId, experiment, resume, from, base }: Of<'start'>): Promise<void> {
    const control = this.control ?? new Control();
    const { tell } = this;
    try {
      const loaded = await this.load(experiment.model, experiment.quantization);
      this.beReady();
      const store = storeOf(runId);
      const device = this.opened();
      await chooseKernels(device);
      const readData = dataOf(runId);
      const limitFor = (bytes: number): Promise<number | null> => this.limitFor(bytes);
      const { gradientCheckpointing } = await plan(loaded, experiment, readData, limitFor);
      const model = { ...loaded, gradientCheckpointing, ...(base !== undefined && { base }) };
      const run = runExperiment({ experiment, model, device, store, readData, resume, from, control, tell });
      await run.catch(() => undefined); // It has told what went wrong.
    } catch (error) {
      tell({ type: 'run', state: 'failed' });
      throw error;
    } finally {
      this.control = null;
      this.beReady();
    }
  }

  private generate({ request, runId, adapter: stage, prompts, options }: Of<'generate'>): Promise<void> {
    return this.withAdapter(runId, stage, async (model, tokenizer, adapter) => {
      const ids = prompts.map((prompt) => tokenizer.encode(prompt, { special: true }));
      const { tokens } = await generate(model, adapter, ids, {
        ...options,
        streams: prompts.map((_, i) => i),
      });
      const completions = tokens.map((some) => tokenizer.decode(some, { skipSpecial: true }));
      this.tell({ type: 'generated', request, completions });
    });
  }

  private samplePairs({ request, runId, adapter: stage, experiment, from, count }: Of<'samplePairs'>) {
    return this.withAdapter(runId, stage, async (model, _, adapter) => {
      const workshop = { experiment, model, readData: dataOf(runId) };
      const pairs = await freshPairs(workshop, stage ?? 'base', adapter, from, count);
      this.tell({ type: 'sampledPairs', request, pairs });
    });
  }

  /** Lends the loaded model with the adapter that a stage of a run left (`null`: the bare model). */
  private async withAdapter(
    runId: string | null,
    stage: string | null,
    use: (model: LanguageModel, tokenizer: Tokenizer, adapter: Adapter | null) => Promise<void>,
  ): Promise<void> {
    const model = this.model?.loaded;
    if (!model?.tokenizer) {
      throw new PlaygroundError(
        'bad-arguments',
        'No model that reads text is loaded yet.',
        'Load one first.',
      );
    }
    const store = runId === null ? null : storeOf(runId);
    const read: ReadFile = (path) => store?.read(`adapters/${stage}/${path}`) ?? Promise.resolve(null);
    const adapter = stage === null ? null : await readPeft(model, read, stage);
    try {
      await use(model, model.tokenizer, adapter);
    } finally {
      adapter?.dispose();
    }
  }

  private async rows(
    { request, model: source, quantization, adapter: directory }: Of<'score' | 'generateRows'>,
    compute: (model: LanguageModel, adapter: Adapter | null) => Promise<string>,
  ): Promise<void> {
    const model = await this.load(source, quantization);
    const adapter = directory === null ? null : await readPeft(model, directoryOf(directory), directory);
    try {
      this.tell({ type: 'rows', request, rows: await compute(model, adapter) });
    } finally {
      adapter?.dispose();
    }
  }
}

function inFigures({ name, parameters, config, architecture }: LanguageModel): ModelReport {
  const layers = architecture
    .linears(config)
    .map((layer) => layer.name.slice(layer.name.lastIndexOf('.') + 1));
  return {
    name: name.slice(name.indexOf(':') + 1),
    architecture: config.architecture,
    parameters,
    vocabulary: config.vocabulary,
    context: config.context,
    layers: [...new Set(layers)],
  };
}
