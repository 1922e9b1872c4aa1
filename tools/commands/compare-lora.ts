// `compare-lora EXPERIMENT.json --out DIR`: what an adapter saves and what it costs, measured. The experiment's SFT stage
// runs with LoRA, rsLoRA, DoRA and all weights, on the same rows in the same order, each in a worker of its own.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseSafetensors } from '../../src/model/safetensors.ts';
import { PlaygroundError } from '../../src/shared/errors.ts';
import type { Experiment, LoraSettings, SftStage } from '../../src/shared/experiment.ts';
import type { DeviceReport, MetricsRow } from '../../src/shared/protocol.ts';
import type { Flag } from '../arguments.ts';
import { prepareDirectory, writeOutput } from '../files.ts';
import { tellProgress } from '../progress.ts';
import { withSession, type Place } from '../session.ts';
import { fetchExperiment, lendExperiment, readExperiment } from './experiment.ts';
import { runEnd } from './run.ts';

interface CompareInput extends Place {
  experiment: string;
  out: string;
  seed: number | null;
  steps: number | null;
  rates: readonly number[];
}

const WAYS: Record<string, Partial<LoraSettings>> = {
  LoRA: { use_rslora: false, use_dora: false },
  rsLoRA: { use_rslora: true, use_dora: false },
  DoRA: { use_rslora: false, use_dora: true },
  'all weights': { use_peft: false, use_dora: false },
};

/** One way at one learning rate. Bytes, seconds, nats a token. */
export interface Measured {
  way: string;
  learning_rate: number;
  trainable: number;
  /** What stays in the run's directory. */
  file: number;
  /** AdamW's two moments. */
  optimizer: number;
  /** The most that tensors held, and that the backend has taken from heap or device, as seen once a second. */
  live: number;
  allocated: number;
  /** Median over the steps without a look at held-out rows, the first three left out. */
  step: number;
  /** On held-out rows: after the last step, and the lowest that was seen. */
  eval_loss: number;
  best: number;
}

export interface Comparison {
  experiment: string;
  model: string;
  seed: number;
  date: string;
  device: Pick<DeviceReport, 'backend' | 'adapter'>;
  /** Of the SFT stage. */
  steps: number;
  rows: number;
  parameters: number;
  measured: Measured[];
}

/** Rates a way is run at, as `3e-3,1e-3`. */
export const rates: Flag<readonly number[]> = {
  expects: 'RATE,RATE,…',
  required: false,
  missing: [],
  read: (text) => {
    const values = text.split(',').map(Number);
    return values.every((value) => value > 0 && value <= 1) ? values : undefined;
  },
};

/** Runs every way; without rates, adapters at the experiment's own and all weights at a tenth of it. */
export async function compareLora({ out, steps, seed, ...input }: CompareInput): Promise<boolean> {
  const read = readExperiment(input.experiment);
  const stage = read.stages.find(({ kind }) => kind === 'sft') as SftStage | undefined;
  if (!stage || read.data.sft === undefined || stage.eval_fraction === 0) {
    throw new PlaygroundError(
      'bad-experiment',
      `${input.experiment} has no sft stage that holds rows out, which is what this compares by.`,
      'Name an experiment with data.sft and an sft stage whose eval_fraction is above 0.',
    );
  }
  prepareDirectory(out);
  if (readdirSync(out).length > 0) {
    throw new PlaygroundError('bad-arguments', `The directory ${out} is not empty.`, 'Name another one.');
  }
  const max_steps = steps ?? stage.max_steps;
  const eval_steps = Math.min(stage.eval_steps, max_steps);
  const warmup_steps = Math.min(stage.warmup_steps, max_steps);
  const told: Omit<Comparison, 'measured' | 'device' | 'parameters'> = {
    experiment: basename(input.experiment),
    model: read.model,
    seed: seed ?? read.seed,
    date: new Date().toISOString().slice(0, 10),
    steps: max_steps,
    rows: stage.per_device_train_batch_size * stage.gradient_accumulation_steps,
  };
  const measured: Measured[] = [];
  let device: Comparison['device'] = { backend: 'wasm', adapter: '' };
  let parameters = 0;
  for (const [way, change] of Object.entries(WAYS)) {
    const tenth = Number((stage.learning_rate / 10).toPrecision(6));
    const usual = way === 'all weights' ? tenth : stage.learning_rate;
    for (const learning_rate of input.rates.length > 0 ? input.rates : [usual]) {
      const sft = { ...stage, max_steps, eval_steps, warmup_steps, learning_rate };
      const experiment: Experiment = {
        ...read,
        seed: told.seed,
        lora: { ...read.lora, ...change },
        data: { sft: read.data.sft },
        stages: [{ ...sft, early_stopping_patience: null }],
      };
      const directory = join(out, `${way.replace(' ', '-')}-${learning_rate}`);
      console.error(`${way}, learning rate ${learning_rate}`);
      const found = await runOnce(experiment, { ...input, directory });
      if (!found) return false;
      [device, parameters] = [found.device, found.parameters];
      measured.push({ way, learning_rate, ...found.figures });
    }
  }
  const { backend, adapter } = device;
  const comparison = { ...told, device: { backend, adapter }, parameters, measured };
  writeOutput(join(out, 'compare-lora.json'), `${JSON.stringify(comparison, null, 2)}\n`);
  writeOutput(join(out, 'compare-lora.md'), compareTable(comparison));
  console.log(compareTable(comparison));
  return true;
}

type Figures = Omit<Measured, 'way' | 'learning_rate'>;

/** One run in a fresh worker, so that what it allocates is its own; null if it failed. */
async function runOnce(
  given: Experiment,
  input: Place & { experiment: string; directory: string },
): Promise<{ figures: Figures; device: DeviceReport; parameters: number } | null> {
  const { experiment, base, mounts } = await fetchExperiment(
    lendExperiment(given, input.experiment),
    input.experiment,
  );
  mounts['out'] = { directory: resolve(input.directory), writable: true };
  const rows: MetricsRow[] = [];
  const opened: DeviceReport[] = [];
  let [live, allocated, parameters] = [0, 0, 0];
  const { backend, host } = input;
  const state = await withSession(
    {
      ...{ backend, host, mounts },
      onEvent: (event) => {
        tellProgress(event);
        if (event.type === 'device') opened.push(event.device);
        if (event.type === 'model') ({ parameters } = event.model);
        if (event.type === 'memory') {
          live = Math.max(live, event.memory.bytes);
          allocated = Math.max(allocated, event.memory.allocatedBytes);
        }
        if (event.type === 'metrics') rows.push(event.row);
      },
    },
    (request) => request({ type: 'start', runId: 'dir:/files/out', experiment, base, resume: false }, runEnd),
  );
  const [device] = opened;
  if (state !== 'finished' || !device) return null;
  const folder = join(input.directory, 'adapters/sft');
  const name = readdirSync(folder).find((file) => file.endsWith('.safetensors'))!;
  const bytes = readFileSync(join(folder, name));
  const shapes = Array.from(parseSafetensors(bytes, name).tensors.values(), ({ shape }) => shape);
  const trainable = shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const looks = rows.filter((row) => 'eval_loss' in row).map((row) => Number(row['eval_loss']));
  const plain = rows.filter((row) => !('eval_loss' in row)).map((row) => Number(row['seconds']));
  const times = plain.slice(3).sort((a, b) => a - b);
  const figures = {
    ...{ trainable, live, allocated, file: bytes.length, optimizer: 8 * trainable },
    step: Number(times[Math.floor(times.length / 2)]),
    eval_loss: looks.at(-1),
    best: Math.min(...looks),
  };
  return { figures, device, parameters };
}

const millions = (value: number): string => (value / 1e6).toFixed(2);

/** The comparison for people. */
export function compareTable({ measured, device, parameters, ...told }: Comparison): string {
  const [first] = measured;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const heads = [
    ...[
      '',
      'learning rate',
      'trained, M',
      'of all',
      'optimizer, MB',
      'live, MB',
      'allocated, MB',
      'file, MB',
    ],
    ...['s a step', 'of LoRA’s', 'held-out loss', 'lowest'],
  ];
  return [
    `${told.experiment}, ${told.model} (${millions(parameters)}M parameters), seed ${told.seed}, ${told.steps} steps of ${told.rows} rows, ${device.backend} (${device.adapter}), ${told.date}`,
    '',
    line(heads),
    line(heads.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...measured.map((each) =>
      line([
        each.way,
        String(each.learning_rate),
        millions(each.trainable),
        `${((100 * each.trainable) / parameters).toFixed(1)} %`,
        ...[each.optimizer, each.live, each.allocated, each.file].map((bytes) => (bytes / 1e6).toFixed(1)),
        each.step.toFixed(3),
        `${(each.step / (first?.step ?? NaN)).toFixed(2)} ×`,
        ...[each.eval_loss, each.best].map((loss) => loss.toFixed(4)),
      ]),
    ),
    '',
  ].join('\n');
}
