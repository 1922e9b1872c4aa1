// The command line as a person uses it: a process of its own, in a folder that is not the repository's, with what it
// prints, writes and exits with. On the tiny model under Node, and once in Chromium.
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mockHub } from '../tests/mock-hub';
import { root } from './once.mjs';

const fixture = join(root, 'tests/fixtures/gpt-neo-tiny');
const model = join(fixture, 'model');
const folder = mkdtempSync(join(tmpdir(), 'command-line-'));
const node = ['--host', 'node', '--backend', 'wasm'];

afterAll(() => rmSync(folder, { recursive: true }));

interface Ended {
  /** Null where a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

function cli(args: string[], cwd = folder, own: Record<string, string> = {}): Promise<Ended> {
  // A build under the test runner's own settings would be another than a person's.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(NODE_ENV|VITE)/.test(name)),
  );
  const command = [join(root, 'tools/bootstrap.mjs'), 'cli', ...args];
  const child = spawn(process.execPath, command, { cwd, env: { ...env, ...own } });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ended.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ended.stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ ...ended, code }));
  });
}

/** The same, which must end with this code. */
async function exits(
  code: number | null,
  args: string[],
  cwd?: string,
  env?: Record<string, string>,
): Promise<Ended> {
  const ended = await cli(args, cwd, env);
  expect([ended.code, ended.stderr]).toEqual([code, ended.stderr]);
  return ended;
}

const write = (path: string, content: string): string => {
  const full = join(folder, path);
  mkdirSync(join(full, '..'), { recursive: true });
  writeFileSync(full, content);
  return full;
};
const lines = (rows: readonly (object | string)[]): string =>
  rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('');
const read = <T>(path: string): T[] =>
  readFileSync(join(folder, path), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

interface Generated {
  prompt?: string;
  completions: string[];
  token_ids: number[][];
  logprobs: number[][];
}

interface Scored {
  token_ids: number[];
  logprobs: number[];
  sum: number;
}

describe.concurrent('score and generate', { timeout: 240_000 }, () => {
  test('what was generated scores the same; order, ids and other fields stay to the letter', async () => {
    const written = [
      '{"prompt":"the cat","id":12345678901234567890,"x":1.0,"sum":"old"}',
      '{"b":2, "1":3, "prompt_ids":[7,8,9]}',
    ];
    const data = write('prompts.jsonl', lines(written));
    const flags = ['--model', model, '--adapter', join(fixture, 'adapter'), ...node];
    const some = ['--n', '3', '--max-new-tokens', '6', '--seed', '4'];
    await exits(0, ['generate', ...flags, ...some, '--data', data, '--out', 'new/generated.jsonl']);
    const text = readFileSync(join(folder, 'new/generated.jsonl'), 'utf8').split('\n');
    expect(text[0]).toMatch(
      /^\{"prompt":"the cat","id":12345678901234567890,"x":1\.0,"sum":"old","completions":\[/,
    );
    expect(text[1]).toMatch(/^\{"b":2, "1":3, "prompt_ids":\[7,8,9\],"completions":\[/);
    const rows = read<Generated>('new/generated.jsonl');
    for (const { completions, token_ids, logprobs } of rows) {
      expect([completions.length, token_ids.length, logprobs.length]).toEqual([3, 3, 3]);
      token_ids.forEach((ids, j) => expect(ids).toHaveLength(logprobs[j]!.length));
    }

    const prompts = [{ prompt: 'the cat' }, { prompt_ids: [7, 8, 9] }];
    const again = rows.flatMap(({ token_ids }, i) =>
      token_ids.map((completion_ids) => ({ ...prompts[i], completion_ids, sum: 'old' })),
    );
    write('again.jsonl', lines([...again, { prompt: 'ab', completion: 'cd' }]));
    await exits(0, ['score', ...flags, '--data', 'again.jsonl', '--out', 'scored.jsonl']);
    const scored = read<Scored>('scored.jsonl');
    rows.forEach(({ token_ids, logprobs }, i) =>
      token_ids.forEach((ids, j) => {
        const row = scored[3 * i + j]!;
        expect(row.token_ids).toEqual(ids);
        row.logprobs.forEach((logprob, t) => expect(Math.abs(logprob - logprobs[j]![t]!)).toBeLessThan(1e-4));
        expect(row.sum).toBeCloseTo(
          row.logprobs.reduce((a, b) => a + b),
          10,
        );
      }),
    );
    expect(scored.at(-1)).toMatchObject({ token_ids: [67, 68], completion: 'cd' });
  });

  test('a model without an end token runs to the maximum; temperature 0 is the reference’s greedy text', async () => {
    cpSync(model, join(folder, 'endless'), { recursive: true });
    const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as object;
    write('endless/config.json', JSON.stringify({ ...config, eos_token_id: null }));
    const { greedy } = JSON.parse(readFileSync(join(fixture, 'cases.json'), 'utf8')) as {
      greedy: { prompt: number[]; output: number[] };
    };
    const length = greedy.output.length - greedy.prompt.length;
    write('greedy.jsonl', lines([{ prompt_ids: greedy.prompt }]));
    const flags = ['--model', 'endless', '--adapter', join(fixture, 'adapter'), ...node];
    const some = ['--temperature', '0', '--max-new-tokens', String(length)];
    await exits(0, ['generate', ...flags, ...some, '--data', 'greedy.jsonl', '--out', 'greedy-out.jsonl']);
    const [row] = read<Generated>('greedy-out.jsonl');
    expect(row!.token_ids).toEqual([greedy.output.slice(greedy.prompt.length)]);
    expect(row!.logprobs.map(({ length }) => length)).toEqual([length]);
    expect(row!.completions).toHaveLength(1);
  });

  test('no end token comes before --min-new-tokens', async () => {
    write('one.jsonl', lines([{ prompt: 'ab' }]));
    const flags = ['--model', model, '--data', 'one.jsonl', '--n', '200', '--max-new-tokens', '12', ...node];
    await exits(0, ['generate', ...flags, '--out', 'ends.jsonl']);
    await exits(0, ['generate', ...flags, '--min-new-tokens', '10', '--out', 'goes-on.jsonl']);
    const lengths = (path: string): number =>
      Math.min(...read<Generated>(path)[0]!.token_ids.map((ids) => ids.length));
    expect(lengths('ends.jsonl')).toBeLessThan(10);
    expect(lengths('goes-on.jsonl')).toBeGreaterThan(10);
  });

  test('a model of the hub is fetched once and read from its folder after that', async () => {
    const hub = await mockHub();
    const env = { HF_ENDPOINT: hub.host, XDG_CACHE_HOME: join(folder, 'cache') };
    write('hub.jsonl', lines([{ prompt: 'ab', completion: 'cd' }]));
    const score = ['score', '--model', 'hf:tiny/neo', '--data', 'hub.jsonl', ...node];
    await exits(0, [...score, '--out', 'fetched.jsonl'], folder, env);
    hub.close();
    await exits(0, [...score, '--out', 'kept.jsonl'], folder, env);
    expect(read('kept.jsonl')).toEqual(read('fetched.jsonl'));
  });

  test('what is wrong with the input is exit code 2, named by file and line, and nothing is written', async () => {
    write('long.jsonl', lines([{ prompt: 'ab' }, { prompt: 'a'.repeat(60) }]));
    const flags = ['--model', model, ...node];
    const long = await exits(2, [
      'generate',
      ...flags,
      '--data',
      'long.jsonl',
      '--max-new-tokens',
      '5',
      '--out',
      'x.jsonl',
    ]);
    expect(long.stderr).toContain('long.jsonl, line 2: "prompt" has 60 tokens');
    expect(existsSync(join(folder, 'x.jsonl'))).toBe(false);
    const directory = await exits(2, ['score', ...flags, '--data', 'long.jsonl', '--out', '.']);
    expect(directory.stderr).toContain('--out is ., which is a directory');
    const beneath = await exits(2, [
      'score',
      ...flags,
      '--data',
      'long.jsonl',
      '--out',
      'long.jsonl/x.jsonl',
    ]);
    expect(beneath.stderr).toContain('which cannot be written');
    // It is seen before a device is opened.
    for (const { stderr } of [directory, beneath]) expect(stderr).not.toContain('wasm:');
  });
});

describe.concurrent('golden, validate and schema', { timeout: 240_000 }, () => {
  test('a golden directory holds, and one with a wrong number does not', async () => {
    const held = await exits(0, ['golden', fixture, ...node]);
    expect(held.stdout).toMatch(/(\d+) of \1 hold at 0\.0001 on wasm/);
    cpSync(fixture, join(folder, 'golden'), { recursive: true });
    const cases = JSON.parse(readFileSync(join(fixture, 'cases.json'), 'utf8')) as {
      greedy: { output: number[] };
    };
    cases.greedy.output.push(cases.greedy.output.pop()! + 1);
    write('golden/cases.json', JSON.stringify(cases));
    const { stdout } = await exits(1, ['golden', 'golden', ...node]);
    expect(stdout.match(/.*MISS/g)).toEqual([expect.stringMatching(/^greedy +output/)]);
  });

  test('an experiment is checked', async () => {
    const file = write(
      'bad.json',
      '{"format": 1,\n "data": {"sft": "a.jsonl"},\n "stages": [{"kind": "sft", "max_step": 1}]}',
    );
    const { stderr } = await exits(2, ['validate', file]);
    expect(stderr).toContain(
      `${file}, line 3: stages[0].max_step is not a setting here.\nDid you mean "max_steps"?`,
    );
    const absent = write(
      'absent.json',
      '{"format": 1,\n "data": {\n "sft": "a.jsonl"},\n "stages": [{"kind": "sft"}]}',
    );
    expect((await exits(2, ['validate', absent])).stderr).toContain(
      `${absent}, line 3: data.sft is "a.jsonl". `,
    );
    await exits(0, ['validate', join(root, 'experiments/kind-endings.json')]);
    const { stdout } = await exits(0, ['schema']);
    expect(JSON.parse(stdout)).toHaveProperty('properties.stages');
    expect((await exits(2, ['validat', file])).stderr).toContain('Did you mean "validate"?');
    expect((await exits(0, ['validate', '--help'])).stdout).toBe('Usage: npm run -s cli -- validate FILE\n');
  });
});

/** The tiny model with words in the place of capitals, about which the labeller has something to say. */
function writeWords(): void {
  const words =
    'happy sad smiled cried laughed angry glad lonely proud upset joy hurt fun scared friends lost'.split(
      ' ',
    );
  cpSync(model, join(folder, 'words'), { recursive: true });
  const tokenizer = readFileSync(join(model, 'tokenizer.json'), 'utf8');
  const text = words.reduce(
    (json, word, i) => json.replace(`"${String.fromCharCode(65 + i)}":`, `" ${word}":`),
    tokenizer,
  );
  write('words/tokenizer.json', text);
}

const training = { per_device_train_batch_size: 4, save_steps: 2, warmup_steps: 1, learning_rate: 2e-2 };
const supervised = { ...training, eval_fraction: 0.25, eval_steps: 2 };
const experiment = {
  format: 1,
  name: 'tiny',
  model: '../words',
  lora: { r: 2, lora_alpha: 4, lora_dropout: 0.1, target_modules: ['q_proj', 'v_proj'] },
  data: { sft: '../rows/sft.jsonl', prompts: 'prompts.jsonl', eval_prompts: 'prompts.jsonl' },
  stages: [
    { kind: 'sft', ...supervised, max_steps: 4 },
    {
      kind: 'pairs',
      count: 40,
      max_new_tokens: 8,
      labeller: { kind: 'rule', name: 'feeling-words', noise: 0.1 },
    },
    { kind: 'reward', ...supervised, max_steps: 4, normalise_samples: 16 },
    { kind: 'ppo', ...training, reward: { kind: 'model' }, total_episodes: 12, response_length: 8 },
    { kind: 'evaluate', samples_per_prompt: 2, max_new_tokens: 8 },
  ],
};

/** All that a run leaves but times and its checkpoints, by path. */
function outcome(directory: string): Record<string, string> {
  const paths = readdirSync(join(folder, directory), { recursive: true, encoding: 'utf8' });
  const files = paths.filter((path) => /\.\w+$/.test(path) && !/^(checkpoint|report)/.test(path)).sort();
  return Object.fromEntries(
    files.map((path) => {
      const text = readFileSync(join(folder, directory, path), 'latin1');
      return [path, path === 'metrics.jsonl' ? text.replace(/"(seconds|eps)":[\d.e+-]+/g, '"$1":0') : text];
    }),
  );
}

describe('run', { timeout: 300_000 }, () => {
  beforeAll(() => {
    writeWords();
    const prompts = Array.from({ length: 12 }, (_, i) =>
      String.fromCharCode(97 + i, 98 + ((i * 7) % 20), 58),
    );
    write('rows/sft.jsonl', lines(prompts.map((prompt) => ({ prompt, completion: prompt.repeat(2) }))));
    write('here/prompts.jsonl', lines(prompts.map((prompt) => ({ prompt }))));
    write('here/tiny.json', JSON.stringify(experiment));
    mkdirSync(join(folder, 'elsewhere'));
  });
  const run = (code: number | null, out: string, ...flags: string[]): Promise<Ended> =>
    exits(
      code,
      ['run', '../here/tiny.json', '--out', `../${out}`, ...node, ...flags],
      join(folder, 'elsewhere'),
    );

  test('killed in every stage and resumed with no seed named, it leaves the bytes of one left alone', async () => {
    const alone = run(0, 'alone', '--seed', '5');
    await run(null, 'killed', '--seed', '5', '--kill-at', 'sft:3');
    for (const at of ['pairs:1', 'reward:3', 'ppo:1', 'evaluate:1'])
      await run(null, 'killed', '--resume', '--kill-at', at);
    expect(existsSync(join(folder, 'killed/report.json'))).toBe(false);
    await run(0, 'killed', '--resume');
    const { stdout } = await alone;
    expect(stdout).toContain('# tiny\n\nSeed 5 on wasm');
    const whole = outcome('alone');
    expect(Object.keys(whole)).toEqual(
      [
        ...['sft', 'reward', 'ppo'].flatMap((stage) => [
          `adapters/${stage}/adapter_config.json`,
          `adapters/${stage}/adapter_model.safetensors`,
        ]),
        ...['adapters/reward/reward_normalization.json', 'metrics.jsonl', 'pairs.jsonl'],
        ...['rows.json', 'samples.jsonl'],
      ].sort(),
    );
    expect(outcome('killed')).toEqual(whole);
    expect(JSON.parse(whole['adapters/ppo/adapter_config.json']!)).toHaveProperty(
      'base_model_name_or_path',
      '../words',
    );
  });

  test('a run that falls apart is exit code 1, and its last checkpoint is kept', async () => {
    const weights = Object.fromEntries(
      Array.from('abcdefghijklmnopqrstuvwxyz:', (letter) => [letter, 1e308]),
    );
    const ppo = { ...experiment.stages[3], reward: { kind: 'tokens', weights } };
    write('here/wild.json', JSON.stringify({ ...experiment, stages: [ppo] }));
    const { stderr } = await exits(1, ['run', 'here/wild.json', '--out', 'wild', ...node]);
    expect(stderr).toContain('error: Stage ppo, update 1: objective/rlhf_reward is Infinity.');
    expect(existsSync(join(folder, 'wild/checkpoint/state.json'))).toBe(true);
  });

  test('runs in Chromium', async () => {
    const stages = [{ ...experiment.stages[0], max_steps: 2 }, experiment.stages[4]];
    write('here/short.json', JSON.stringify({ ...experiment, stages }));
    const { stderr } = await exits(0, ['run', 'here/short.json', '--out', 'chromium', '--backend', 'wasm']);
    expect(stderr).toContain('Chromium:');
    const report = JSON.parse(readFileSync(join(folder, 'chromium/report.json'), 'utf8')) as {
      evaluation: object;
    };
    expect(Object.keys(report.evaluation)).toEqual(['base', 'sft']);
  });

  test('learns a reward from the pairs that ship', async () => {
    const some = { max_steps: 1, warmup_steps: 0, eval_fraction: 0.005, normalise_samples: 4 };
    const data = { preferences: 'builtin:kind-endings/preferences' };
    write('here/shipped.json', JSON.stringify({ format: 1, data, stages: [{ kind: 'reward', ...some }] }));
    const { stdout } = await exits(0, ['run', 'here/shipped.json', '--out', 'shipped', ...node]);
    expect(stdout).toContain('accuracy_ceiling');
  });

  test('what cannot be done is exit code 2 before anything runs', async () => {
    const file = await exits(2, ['run', 'here/tiny.json', '--out', 'here/tiny.json', ...node]);
    expect(file.stderr).toContain('--out is here/tiny.json, which is a file');
    const stage = await exits(2, ['run', 'here/tiny.json', '--out', 'none', '--kill-at', 'dpo:1', ...node]);
    expect(stage.stderr).toContain('--kill-at is "dpo:1"');
    write('damaged/checkpoint/state.json', '{"format": 1, "experiment": {');
    const damaged = await exits(2, ['run', 'here/tiny.json', '--out', 'damaged', '--resume', ...node]);
    expect(damaged.stderr).toContain('checkpoint/state.json is not whole');
  });
});
