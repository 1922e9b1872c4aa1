// The recorded experiment: one file that holds a finished run, so that it can be looked at anywhere and gone on with.
// Its first line is JSON and all that a replay shows; the adapters follow, end to end. So a page that reads it as it
// comes has its picture before the weights have arrived. `head -n 1 FILE` shows the line.

import { PlaygroundError } from './errors';
import { stageNames, type Experiment } from './experiment';
import type { FirstRowsByPart, LabelledPair } from './first-rows';
import { concatenated } from './pieces';
import type { ChangeRow, MetricsRow, ModelReport, Report, SampleRow } from './protocol';
import { checkHead, fieldsOf, KIND, type StoredFile } from './recording-head';
import { parseExperiment } from './validate';

/** What a replay shows. */
export interface RecordedRun {
  experiment: Experiment;
  /** Null of a model nobody measured. */
  model: ModelReport | null;
  metrics: MetricsRow[];
  samples: SampleRow[];
  /** Settings that were changed while it was at work. */
  changes: ChangeRow[];
  /** Null of a run that has not finished. */
  report: Report | null;
  /** The first rows that it learnt from, and the first pairs that it sampled. */
  rows: FirstRowsByPart;
  pairs: LabelledPair[];
}

export interface Recording {
  run: RecordedRun;
  /** PEFT files by their path below adapters/, like `sft/adapter_config.json`. */
  adapters: Map<string, Uint8Array>;
}

const NEWLINE = 10;

/** The bytes of a recorded experiment. */
export function writeRecording({ run, adapters }: Recording): Uint8Array {
  const files = Array.from(adapters, ([path, { length }]) => ({ path, length }));
  const head = `${JSON.stringify({ format: 1, kind: KIND, ...run, adapters: files })}\n`;
  return concatenated([new TextEncoder().encode(head), ...adapters.values()]);
}

/** Whether a file's beginning says that it is a recorded experiment, of whichever version. */
export function isRecording(bytes: Uint8Array): boolean {
  const start = new TextDecoder().decode(bytes.subarray(0, 200));
  return new RegExp(`^\\s*\\{[^{[]*"kind"\\s*:\\s*"${KIND}"`).test(start);
}

/** The first line of a file, checked, and where it ends. */
interface Head {
  run: RecordedRun;
  files: readonly StoredFile[];
  end: number;
}

/**
 * What the first line says, as soon as it is there; null until then. `source` names the file in messages. Throws
 * `bad-recording`, and `bad-experiment` for the experiment within. Of a file that is `known` to be good not every field
 * is looked at before it is shown.
 */
export function readHead(bytes: Uint8Array, source: string, known = false): Head | null {
  return bytes.includes(NEWLINE) ? parseHead(bytes, source, known) : null;
}

/** A whole recorded experiment; `head` is its first line where that was read before. Throws as `readHead` does. */
export function readRecording(bytes: Uint8Array, source: string, head?: Head | null): Recording {
  const { run, files, end } = head ?? parseHead(bytes, source);
  const adapters = new Map<string, Uint8Array>();
  let at = end;
  for (const { path, length } of files) adapters.set(path, bytes.slice(at, (at += length)));
  if (at === bytes.length) return { run, adapters };
  const has = bytes.length > at ? `${bytes.length - at} more` : `${at - bytes.length} fewer`;
  throw bad(source, `has ${has} bytes than its first line says`, 'It was not copied whole: get it again.');
}

function parseHead(bytes: Uint8Array, source: string, known = false): Head {
  const newline = bytes.indexOf(NEWLINE);
  const end = newline < 0 ? bytes.length : newline + 1;
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  } catch {
    throw bad(source, 'begins with a line that is not JSON', 'Get the file again: it is damaged.');
  }
  if (!known) checkHead(json, (what, fix) => bad(source, what, fix));
  const { fields, files } = fieldsOf(json as Record<string, unknown>);
  const { experiment } = parseExperiment(JSON.stringify(fields['experiment']), source);
  const run = { ...fields, experiment } as unknown as RecordedRun;
  checkNames(run, files, source);
  return { run, files, end };
}

/** Rows and adapters belong to stages of the experiment, or to adapters that stand in for one. */
function checkNames(
  { experiment, metrics }: RecordedRun,
  files: readonly StoredFile[],
  source: string,
): void {
  const stages = stageNames(experiment.stages);
  const known = [...stages, 'sft', 'reward', 'policy'];
  for (const [i, { stage }] of metrics.entries()) {
    if (!stages.includes(stage)) {
      const fix = `It may be one of: ${stages.join(', ')}.`;
      throw bad(source, `metrics[${i}].stage is ${JSON.stringify(stage)}`, fix);
    }
  }
  for (const [i, { path }] of files.entries()) {
    const [, stage = ''] =
      /^([\w-]+)\/(adapter_config\.json|adapter_model\.safetensors|reward_normalization\.json)$/.exec(path) ??
      [];
    if (!known.includes(stage)) {
      const fix = 'It may be STAGE/adapter_config.json and the like, the stage one of the experiment’s.';
      throw bad(source, `adapters[${i}].path is ${JSON.stringify(path)}`, fix);
    }
  }
}

function bad(source: string, what: string, fix: string): PlaygroundError {
  return new PlaygroundError('bad-recording', `${source}: ${what}.`, fix);
}
