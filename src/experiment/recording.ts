// Packs the files of a run into a recorded experiment, small enough to be sent: the adapters as float16, the metrics
// as exact as a person reads them, and of the samples those that a person looks at.

import { floats, parseSafetensors, writeSafetensors } from '../model/safetensors';
import { PlaygroundError } from '../shared/errors';
import { type Experiment, pairsStage } from '../shared/experiment';
import { FIRST_ROWS, type FirstRowsByPart, type LabelledPair } from '../shared/first-rows';
import { toHalves } from '../shared/half';
import type { ChangeRow, MetricsRow, ModelReport, Report, SampleRow } from '../shared/protocol';
import { type Recording, writeRecording } from '../shared/recording';
import { readText, type RunStore } from '../storage/run-store';

/** Prompts of the evaluation whose first completion is kept, for every checkpoint. */
const EVALUATED = 24;
/** Pairs that are kept for a person to judge. */
const PAIRS = 40;
/** Digits of a metric. */
const PRECISION = 5;
/** What float16 holds. */
const MOST = 65504;

/** What is read of a run's store. */
type Files = Pick<RunStore, 'read' | 'list'>;

/** The recorded experiment of a run, finished or not. Throws `not-found` if nothing has run yet. */
export async function packRun(
  store: Files,
  experiment: Experiment,
  model: ModelReport | null,
): Promise<Uint8Array> {
  const metrics = await rows<MetricsRow>(store, 'metrics.jsonl');
  if (metrics.length === 0) {
    throw new PlaygroundError(
      'not-found',
      'There is nothing to record: the run has not taken a step.',
      'Run the experiment first.',
    );
  }
  const samples = await rows<SampleRow>(store, 'samples.jsonl');
  const report = await readText(store, 'report.json');
  const adapters: Recording['adapters'] = new Map();
  // Where all weights were trained whole models stand there: too large to be sent.
  const kept = experiment.lora.use_peft === false ? [] : await store.list('adapters/');
  for (const path of kept) {
    const bytes = await store.read(path);
    if (!bytes) continue;
    adapters.set(path.slice('adapters/'.length), path.endsWith('.safetensors') ? halved(bytes, path) : bytes);
  }
  const run = {
    experiment,
    model,
    metrics: metrics.map(rounded),
    samples: worthKeeping(samples),
    changes: await rows<ChangeRow>(store, 'changes.jsonl'),
    report: report === null ? null : (JSON.parse(report) as Report),
    rows: JSON.parse((await readText(store, FIRST_ROWS)) ?? '{}') as FirstRowsByPart,
    pairs: await firstPairs(store, experiment),
  };
  return writeRecording({ run, adapters });
}

/** Of the pairs that were sampled last, as many as a person judges in a sitting or two, each of another prompt. */
async function firstPairs(store: Files, experiment: Experiment): Promise<LabelledPair[]> {
  const stage = pairsStage(experiment);
  const byPrompt = new Map<string, LabelledPair>();
  for (const pair of stage === undefined ? [] : await rows<LabelledPair>(store, `${stage}.jsonl`))
    if (!byPrompt.has(pair.prompt)) byPrompt.set(pair.prompt, pair);
  return [...byPrompt.values()].slice(0, PAIRS);
}

/** Rows of our own JSONL; a last line that a power cut left short is left out. */
async function rows<T>(store: Files, path: string): Promise<T[]> {
  const lines = ((await readText(store, path)) ?? '').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as T);
}

function halved(bytes: Uint8Array, path: string): Uint8Array {
  const file = parseSafetensors(bytes, path);
  const tensors = Array.from(file.tensors, ([name, { shape }]) => {
    const values = floats(file, name);
    const fits = values.every((value) => Math.abs(value) <= MOST);
    return [name, { shape, values: fits ? toHalves(values) : values }] as const;
  });
  return writeSafetensors(new Map(tensors));
}

/** Whole numbers stay as they are; JSON has no word for what is not finite, so that goes. */
function rounded(row: MetricsRow): MetricsRow {
  const kept = Object.entries(row).filter(([, value]) => typeof value === 'string' || Number.isFinite(value));
  return Object.fromEntries(
    kept.map(([key, value]) => [
      key,
      typeof value === 'string' || Number.isInteger(value) ? value : Number(value.toPrecision(PRECISION)),
    ]),
  ) as MetricsRow;
}

/** All that were watched during training, and of those evaluated at the end (they have a KL) a few. */
function worthKeeping(samples: readonly SampleRow[]): SampleRow[] {
  const seen = new Map<string, Set<string>>();
  return samples.filter(({ checkpoint, prompt, kl }) => {
    if (kl === undefined) return true;
    const prompts = seen.get(checkpoint) ?? new Set();
    seen.set(checkpoint, prompts);
    if (prompts.size >= EVALUATED || prompts.has(prompt) || checkpoint.endsWith('-opponent')) return false;
    prompts.add(prompt);
    return true;
  });
}
