// The messages that page, command line and worker exchange. The page asks (Command), the worker answers and
// tells (Event); both sides are discriminated unions, so a missing case is a type error. Only structured-clone
// values travel: no tensors, no functions. One worker holds one device, one model and at most one run.

import type { Budget } from './budget';
import type { Experiment, Quantization } from './experiment';
import type { DataPart, DataRow, Fit, Looked, MaskedText } from './look';
import type { StageKind } from './methods';
import type { PlainError } from './errors';

export type BackendName = 'webgpu' | 'wasm';

export interface DeviceReport {
  backend: BackendName;
  /** What a person would call it: "NVIDIA H200", "SwiftShader", "CPU, 2 threads, SIMD". */
  adapter: string;
  /** Why this backend was chosen, one sentence. */
  reason: string;
  threads: number;
}

export interface MemoryReport {
  tensors: number;
  /** Bytes held by live tensors. */
  bytes: number;
  /** Bytes the backend has taken from the device or heap, pooled buffers included. */
  allocatedBytes: number;
}

export interface ModelReport {
  name: string;
  architecture: string;
  parameters: number;
  vocabulary: number;
  context: number;
  /** Ends of the names of its linear layers, each of which can be adapted; a recording may not know them. */
  layers?: readonly string[];
}

export interface GenerateOptions {
  maxNewTokens: number;
  minNewTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  seed: number;
}

/** One row of metrics.jsonl: flat, TRL's names. */
export type MetricsRow = { stage: string; step: number } & Record<string, number | string>;

/** The numbers behind each token of a completion; columns are as long as its token_ids, and rounded for reading. */
export interface TokenColumns {
  text: string[];
  /** Log-probability under the checkpoint that wrote it, and under the policy it is held to. */
  logprob: number[];
  ref_logprob: number[];
  /** PPO only: the price of KL and, at the last token, the score; the critic's value before the token; GAE. */
  reward?: number[];
  value?: number[];
  advantage?: number[];
  /** Of completions that a PPO update learnt from: the advantage it used, brought to mean 0 and deviation 1 over the
   *  batch, and the log-probability after it; `logprob` is the one before. */
  whitened?: number[];
  new_logprob?: number[];
}

/** How one model's predictions of the next token differ from another's. */
export interface Divergence {
  /** exp of the mean negative log-probability of each token given those before it. */
  perplexity: { reference: number; other: number };
  /** Mean over positions of KL(reference ‖ other), in nats. */
  kl: number;
  /** Share of positions at which both find the same token the most likely. */
  agreement: number;
}

/** What packed weights cost against float32, over so many texts and predicted tokens in them. */
export type PackingCost = Divergence & { texts: number; tokens: number };

/** Two answers to one prompt, for a person to choose between. */
export interface AnswerPair {
  /** Where it comes from: `pairs:17`, the row of pairs.jsonl; `ppo:3`, the fourth fresh one of that adapter. */
  id: string;
  prompt: { text: string; ids: number[] };
  answers: [Answer, Answer];
  /** The answer that the synthetic labeller holds to be better; null where it sees no difference. */
  labelled: 0 | 1 | null;
}

export interface Answer {
  text: string;
  ids: number[];
}

/** One evaluated or watched completion, a row of samples.jsonl. */
export interface SampleRow {
  checkpoint: string;
  prompt: string;
  completion: string;
  token_ids: number[];
  seed: number;
  /** Of watched completions. */
  tokens?: TokenColumns;
  /** Of evaluated completions: whether it ended by itself, its KL in nats, its score, and what the judge says. */
  finished?: boolean;
  kl?: number;
  reward?: number;
  happy?: boolean;
}

export interface Interval {
  value: number;
  low: number;
  high: number;
}

export interface Report {
  name: string;
  seed: number;
  backend: BackendName;
  device: string;
  seconds: Record<string, number>;
  evaluation: Record<string, Record<string, Interval>>;
  /** `differences`: the first checkpoint's figures minus the second's, paired by prompt. */
  comparisons: Record<string, { win_rate: Interval; differences?: Record<string, Interval> }>;
  /** What stages found out about themselves: the reward model's held-out accuracy, and its ceiling. */
  findings?: Record<string, Record<string, Interval>>;
}

/** A setting marked "now" that is changed while a run is at work; `stage` is a stage's name. */
export interface SettingChange {
  stage: string;
  key: string;
  value: number | null;
}

/** A row of changes.jsonl: the change holds from the step after `step` on (0: from the stage's first). */
export type ChangeRow = SettingChange & { step: number };

/** Where a model or adapter comes from: `bundled:NAME`, `hf:OWNER/NAME[@revision]`, or a directory (`dir:PATH`). */
export type ModelSource = string;

export type Command =
  | { type: 'open'; backend: BackendName | 'auto' }
  | { type: 'loadModel'; request: number; model: ModelSource; quantization?: Quantization }
  /** Stops the download under way; what has come is kept and the next one goes on from there. */
  | { type: 'cancelLoading' }
  /** `resume` goes on from the last checkpoint, or from the one that `from` names (storage/checkpoints.ts). `base` is what
   *  adapters name as the model they belong to, where that is not the experiment's word for it. */
  | { type: 'start'; runId: string; experiment: Experiment; resume: boolean; from?: string; base?: string }
  | { type: 'pause' }
  | { type: 'resume' }
  /** Runs one optimizer step (one update in PPO) while paused, then pauses again. */
  | { type: 'step' }
  | { type: 'stop' }
  /** Seconds to rest before every step of this run and the next ones. */
  | { type: 'pace'; seconds: number }
  | { type: 'change'; change: SettingChange }
  /** Text in, text out, with the adapter of a finished stage of a run (`null`: the bare model). */
  | {
      type: 'generate';
      request: number;
      runId: string | null;
      adapter: string | null;
      prompts: string[];
      options: GenerateOptions;
    }
  /** Fresh pairs of an experiment's prompts, numbered from `from`, by the adapter of a finished stage. */
  | {
      type: 'samplePairs';
      request: number;
      runId: string | null;
      adapter: string | null;
      experiment: Experiment;
      from: number;
      count: number;
    }
  | {
      type: 'score';
      request: number;
      model: ModelSource;
      quantization?: Quantization;
      adapter: string | null;
      rows: string;
      source: string;
    }
  | {
      type: 'generateRows';
      request: number;
      model: ModelSource;
      quantization?: Quantization;
      adapter: string | null;
      rows: string;
      source: string;
      n: number;
      options: GenerateOptions;
    }
  /** Rows of a part of `data`: of `text`, as they stand in `source`, or where it is null of the source itself. */
  | { type: 'lookAtRows'; request: number; part: DataPart; source: string; text: string | null }
  /** How those rows fit the loaded model. */
  | { type: 'fitRows'; request: number; part: DataPart; source: string; text: string | null }
  | { type: 'maskRow'; request: number; part: DataPart; source: string; row: DataRow }
  /** What the experiment would take with the loaded model; `runId`: the run whose data it names. */
  | { type: 'budget'; request: number; runId: string | null; experiment: Experiment }
  /** What the experiment's packed base weights cost against float32; `runId` as above. Waits for the run at work. */
  | { type: 'measurePacking'; request: number; runId: string | null; experiment: Experiment }
  /** The recorded experiment of a run kept in this browser, finished or not. */
  | { type: 'export'; request: number; runId: string; experiment: Experiment }
  | { type: 'golden'; request: number; directory: string };

export type StageState = 'waiting' | 'running' | 'paused' | 'finished' | 'stopped' | 'failed';

export type Event =
  | { type: 'device'; device: DeviceReport }
  | { type: 'memory'; memory: MemoryReport }
  | { type: 'loading'; what: string; loadedBytes: number; totalBytes: number }
  /** A model is loaded: `request` of whoever asked for it, null where a run needed it. */
  | { type: 'model'; request: number | null; source: ModelSource; model: ModelReport }
  | { type: 'stage'; name: string; kind: StageKind; state: StageState; totalSteps: number; seconds: number }
  | { type: 'metrics'; row: MetricsRow; secondsLeft: number | null }
  | { type: 'sample'; stage: string; step: number; sample: SampleRow }
  | { type: 'run'; state: StageState }
  | { type: 'changed'; change: ChangeRow }
  /** What a run lets pass and is probably not meant; it goes on. */
  | { type: 'warning'; stage: string; message: string; fix: string }
  | { type: 'report'; report: Report }
  | { type: 'generated'; request: number; completions: string[] }
  | { type: 'sampledPairs'; request: number; pairs: AnswerPair[] }
  | { type: 'rowsLookedAt'; request: number; looked: Looked }
  | { type: 'rowsFit'; request: number; fit: Fit }
  | { type: 'rowMasked'; request: number; texts: MaskedText[] }
  | { type: 'budgeted'; request: number; budget: Budget }
  | { type: 'packingMeasured'; request: number; cost: PackingCost }
  | { type: 'exported'; request: number; bytes: Uint8Array }
  /** JSONL lines, in the order of the input rows. */
  | { type: 'rows'; request: number; rows: string }
  | { type: 'goldenResult'; request: number; backend: BackendName; rows: GoldenRow[] }
  | { type: 'error'; request: number | null; error: PlainError };

/** What the page asks and waits for, and the event that answers it. */
export interface Answers {
  loadModel: 'model';
  generate: 'generated';
  samplePairs: 'sampledPairs';
  lookAtRows: 'rowsLookedAt';
  fitRows: 'rowsFit';
  maskRow: 'rowMasked';
  budget: 'budgeted';
  measurePacking: 'packingMeasured';
  export: 'exported';
}
export type Question<K extends keyof Answers> = Extract<Command, { type: K }>;
export type AnswerTo<K extends keyof Answers> = Extract<Event, { type: Answers[K] }>;

/** One compared tensor of a golden directory; `error` is max|Δ| / max|reference|. */
export interface GoldenRow {
  case: string;
  tensor: string;
  error: number;
}
