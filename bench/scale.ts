// `node bench/scale.mjs --preset gpt-neo-125m`: a model of true size with seeded weights, through all that a run does
// (load, training steps of every stage, generation, checkpoint, kill, resume), by the command line as a person would.
// Times are those of the run's own metrics; memory is what the tab and its device hold, told by the system.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { QUANTIZATIONS } from '../src/shared/experiment.ts';
import type { MetricsRow } from '../src/shared/protocol.ts';
import { choice, number, parseArguments } from '../tools/arguments.ts';
import { reportError } from '../tools/cli.ts';
import { presetNames } from '../tools/commands/make-model.ts';
import { writeOutput } from '../tools/files.ts';
import { table } from './table.ts';

const command = {
  positional: null,
  flags: {
    preset: choice(presetNames, 'gpt-neo-125m'),
    backend: choice(['wasm', 'webgpu'], 'wasm'),
    quantization: choice(QUANTIZATIONS, 'none'),
    method: choice(['ppo', 'dpo'], 'ppo'),
    tokens: number(512, { min: 32, max: 1 << 16, integer: true }),
  },
};

/** Tokens of a row of demonstrations; tokenizers make about one of each of these words. */
const LENGTH = 128;
const words = (seed: number, count: number): string =>
  Array.from(
    { length: count },
    (_, i) => ['the', 'dog', 'ran', 'home', 'and', 'was', 'happy'][(seed + i * i) % 7],
  ).join(' ');

/** Rows that fill `tokens` tokens a step. */
function dataOf(tokens: number) {
  const rows = Math.max(2, Math.round(tokens / LENGTH));
  const half = LENGTH / 2 - 2;
  const prompts = Array.from({ length: 2 * rows }, (_, i) => `${words(i, half)} `);
  const jsonl = (lines: object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  return {
    rows,
    files: {
      'sft.jsonl': jsonl(prompts.map((prompt, i) => ({ prompt, completion: words(i + 3, half) }))),
      'preferences.jsonl': jsonl(
        prompts.map((prompt, i) => ({ prompt, chosen: words(i + 1, half), rejected: words(i + 2, half) })),
      ),
      'prompts.jsonl': jsonl(prompts.map((prompt) => ({ prompt }))),
    },
  };
}

interface Asked {
  preset: (typeof presetNames)[number];
  backend: string;
  quantization: string;
  method: 'ppo' | 'dpo';
  tokens: number;
}

function experimentOf({ preset, quantization, method, tokens }: Asked, rows: number) {
  const steps = {
    max_steps: 2,
    eval_steps: 2,
    eval_fraction: 0,
    early_stopping_patience: null,
    save_steps: 1,
  };
  const batch = { per_device_train_batch_size: rows, learning_rate: 1e-4, warmup_steps: 0 };
  const later =
    method === 'dpo'
      ? [{ kind: 'dpo', ...steps, ...batch, per_device_train_batch_size: Math.max(1, rows / 2) }]
      : [
          {
            kind: 'reward',
            ...steps,
            ...batch,
            per_device_train_batch_size: Math.max(1, rows / 2),
            normalise_samples: 8,
          },
          {
            kind: 'ppo',
            reward: { kind: 'model' },
            ...batch,
            total_episodes: 2 * rows,
            num_mini_batches: 1,
            num_ppo_epochs: 1,
            response_length: 40,
            save_steps: 1,
          },
        ];
  return {
    format: 1,
    name: `${preset}-${tokens}`,
    model: 'model',
    seed: 1,
    quantization,
    lora: { r: 8, lora_alpha: 16, lora_dropout: 0, target_modules: ['q_proj', 'v_proj'], use_rslora: false },
    data: {
      sft: 'sft.jsonl',
      preferences: 'preferences.jsonl',
      ...(method === 'ppo' && { prompts: 'prompts.jsonl' }),
    },
    stages: [{ kind: 'sft', ...steps, ...batch }, ...later],
  };
}

/** Resident bytes of all processes below one, what several share counted once, where the system tells (Linux); 0 elsewhere. */
function residentBytes(root: number): number {
  if (!existsSync('/proc')) return 0;
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const read = (id: number | string, file: string): string => {
    try {
      return readFileSync(`/proc/${id}/${file}`, 'utf8');
    } catch {
      return ''; // ended meanwhile
    }
  };
  const parents = processes.map((id) => {
    const [, rest = ''] = read(id, 'stat').split(/\) (?=[^)]*$)/);
    return { id: Number(id), parent: Number(rest.split(' ')[1]) };
  });
  const below = (id: number): number =>
    parents
      .filter(({ parent }) => parent === id)
      .reduce((sum, { id: child }) => {
        const kilobytes = Number(/^Pss: +(\d+)/m.exec(read(child, 'smaps_rollup'))?.[1] ?? 0);
        return sum + 1024 * kilobytes + below(child);
      }, 0);
  return below(root);
}

interface Ran {
  code: number | null;
  seconds: number;
  /** The most that was resident in the children of the command, which are the browser's. */
  peakBytes: number;
  /** The most while the weights were read, and what was as the last of them had been. */
  loading: { mostBytes: number; thenBytes: number };
  /** What it said. */
  said: string;
}

/** Runs a command of the command line; what it says goes to stderr. */
function cli(...args: string[]): Promise<Ran> {
  const began = performance.now();
  const child = spawn(process.execPath, ['tools/bootstrap.mjs', 'cli', ...args], {
    stdio: ['ignore', 2, 'pipe'],
  });
  let peakBytes = 0;
  const loading = { mostBytes: 0, thenBytes: 0 };
  let said = '';
  const look = (): void => {
    const bytes = residentBytes(child.pid ?? 0);
    peakBytes = Math.max(peakBytes, bytes);
    if (loading.thenBytes > 0 || !/^loading /m.test(said)) return;
    loading.mostBytes = Math.max(loading.mostBytes, bytes);
    if (/^model: /m.test(said)) loading.thenBytes = bytes;
  };
  child.stderr?.on('data', (text: Buffer) => {
    process.stderr.write(text);
    said += String(text);
    look();
  });
  const watch = setInterval(look, 500);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearInterval(watch);
      resolve({ code, seconds: (performance.now() - began) / 1000, peakBytes, loading, said });
    });
  });
}

const rowsOf = (out: string): MetricsRow[] => {
  const file = join(out, 'metrics.jsonl');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as MetricsRow);
};

/** Whether all held that the table claims. */
async function measure(asked: Asked): Promise<boolean> {
  const { preset, backend, quantization, method, tokens } = asked;
  const folder = `build/scale/${preset}`;
  if (!existsSync(join(folder, 'model/config.json'))) {
    console.error(`Making ${preset} …`);
    await cli('make-model', '--preset', preset, '--out', join(folder, 'model'));
  }
  const { rows, files } = dataOf(tokens);
  for (const [name, text] of Object.entries(files)) writeOutput(join(folder, name), text);
  const experiment = join(folder, 'experiment.json');
  writeOutput(experiment, `${JSON.stringify(experimentOf(asked, rows), null, 2)}\n`);
  const out = join(folder, 'run');
  rmSync(out, { recursive: true, force: true });

  const load = loadavg()[0] ?? 0;
  const place = ['--backend', backend];
  const killed = await cli('run', experiment, '--out', out, ...place, '--kill-at', `${method}:1`);
  const before = rowsOf(out);
  const resumed = await cli('run', experiment, '--out', out, ...place, '--resume');
  if (resumed.code !== 0) throw new Error('The run did not finish: see above.');
  const after = rowsOf(out);
  // Each stage from its beginning to its end: those before the last in the run that was killed, the last in the other.
  const taken = [killed, resumed].flatMap(({ said }) =>
    Array.from(said.matchAll(/^(\S+): finished .* took at most (\S+) MB/gm), ([, stage, mb]) => [
      stage!,
      mb!,
    ]),
  );
  const drawn = join(folder, 'generated.jsonl');
  const generated = await cli(
    ...[
      'generate',
      '--model',
      join(folder, 'model'),
      '--data',
      join(folder, 'prompts.jsonl'),
      '--out',
      drawn,
    ],
    ...[...place, '--quantization', quantization, '--max-new-tokens', '16'],
  );

  const repeated = (step: number) =>
    [before, after].map((all) => all.find((row) => row.stage === method && row.step === step));
  const [first, again] = repeated(1);
  // All but what says how long it took.
  const figures = (row?: MetricsRow): string => JSON.stringify({ ...row, seconds: 0, eps: 0 });
  const same = first !== undefined && figures(first) === figures(again);
  const written = existsSync(drawn) ? readFileSync(drawn, 'utf8').trim().split('\n').length : 0;
  const steps = after.map((row) => [row.stage, String(row.step), Number(row['seconds']).toFixed(1)]);
  const gib = (bytes: number): string =>
    bytes > 0 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : 'not told here';
  const lines = [
    `# ${preset} on ${backend}, ${quantization === 'none' ? 'float32' : quantization} weights`,
    `${cpus()[0]?.model.trim()}, ${availableParallelism()} processors, load ${load.toFixed(1)} before. LoRA of rank 8 on q and v, ${rows} rows of about ${LENGTH} tokens a step, seeded random weights. \`node bench/scale.mjs --preset ${preset} --backend ${backend} --quantization ${quantization} --method ${method} --tokens ${tokens}\``,
    table(['stage', 'step', 'seconds, with its checkpoint and looks'], steps),
    table(
      ['what', 'seconds', 'most resident in the browser'],
      [
        [
          `run up to ${method}:1, killed there (the load with it)`,
          killed.seconds.toFixed(0),
          gib(killed.peakBytes),
        ],
        ['resumed from the checkpoint, to the end', resumed.seconds.toFixed(0), gib(resumed.peakBytes)],
        [
          `16 tokens for each of ${2 * rows} prompts (the load with it)`,
          generated.seconds.toFixed(0),
          gib(generated.peakBytes),
        ],
      ],
    ),
    `While the weights were read, ${gib(killed.loading.mostBytes)} were resident in the browser at most, and ${gib(killed.loading.thenBytes)} when they had been.`,
    table(['stage', 'most that the device allocated for it, MB'], taken),
    `Step 1 of ${method}, repeated after the kill, gave the same figures: ${same ? 'yes' : first ? 'no' : 'it had not been written'}. Completions written: ${written} of ${2 * rows}.`,
  ];
  const text = `${lines.join('\n\n')}\n`;
  const date = new Date().toISOString().slice(0, 10);
  const name = `bench/results/scale-${preset}-${backend}-${quantization}-${method}-${date}.md`;
  writeOutput(name, text);
  console.log(`${text}\nWritten to ${name}.`);
  return same && generated.code === 0 && written === 2 * rows;
}

/** The exit code: 1 where a figure differed after the resume, or completions are missing. */
export async function scale(given: readonly string[]): Promise<number> {
  try {
    return (await measure(parseArguments('scale', command, given).values)) ? 0 : 1;
  } catch (error) {
    return reportError(error);
  }
}
