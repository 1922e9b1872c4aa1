import {
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
import { afterAll, expect, test, vi } from 'vitest';
import { readRecording } from '../../src/shared/recording.ts';
import { readExperiment } from './experiment.ts';
import { record } from './record.ts';

vi.spyOn(console, 'log').mockReturnValue(undefined);
const folder = mkdtempSync(join(tmpdir(), 'record-test-'));
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const write = (path: string, content: object | string): void => {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content));
};
const data = { sft: 'rows.jsonl' };
write('experiment.json', { format: 1, name: '../a: b', data, stages: [{ kind: 'sft' }] });
const experiment = join(folder, 'experiment.json');
const input = { experiment, seed: null, resume: false, backend: 'wasm', host: 'node' } as const;

/** What `run` leaves, in little. */
function finishedRun(name: string): string {
  const ran = { ...readExperiment(experiment), model: 'dir:/files/model', seed: 7 };
  const progress = { stage: 1, seconds: {}, lines: {}, state: null };
  const found = { evaluation: {}, comparisons: {}, findings: {} };
  const state = { format: 1, experiment: ran, backend: 'wasm', kernels: null, ...progress, found };
  write(`${name}/checkpoint/state.json`, state);
  write(`${name}/metrics.jsonl`, '{"stage":"sft","step":1,"loss":1}\n');
  write(`${name}/report.json`, { name: '', seed: 7, backend: 'wasm', device: '', seconds: {}, ...found });
  return join(folder, name);
}

test('a finished run is packed, under a name that stays in the folder', async () => {
  const out = join(folder, 'packed');
  expect(await record({ ...input, out, from: finishedRun('run') })).toBe(true);
  expect(readdirSync(out)).toEqual(['--a- b.recording']);
  const { run } = readRecording(readFileSync(join(out, '--a- b.recording')), 'a');
  expect([run.experiment.name, run.experiment.seed, run.metrics.length]).toEqual(['../a: b', 7, 1]);
});

test.each([
  ['report.json', null, 'holds no finished run: it has no report.json.'],
  ['report.json', '{"seed":', 'report.json is damaged'],
  ['checkpoint/state.json', '{}', 'has no sound "format"'],
  ['metrics.jsonl', '', 'There is nothing to record'],
])('one whose %s is %j is refused, and nothing is left', async (path, content, message) => {
  const from = finishedRun('broken');
  rmSync(join(from, path));
  if (content !== null) write(`broken/${path}`, content);
  const out = join(folder, 'nowhere/deep');
  await expect(record({ ...input, out, from })).rejects.toThrow(message);
  expect(existsSync(join(folder, 'nowhere'))).toBe(false);
});

test('what is for a run does not go with a run that is there; data that is missing leaves nothing', async () => {
  const out = join(folder, 'nowhere');
  const from = finishedRun('run');
  await expect(record({ ...input, out, from, seed: 7 })).rejects.toThrow('--from packs a run that is there');
  await expect(record({ ...input, out, from: null })).rejects.toThrow('data.sft is "rows.jsonl".');
  expect(existsSync(out)).toBe(false);
  await expect(record({ ...input, out: experiment, from })).rejects.toThrow('which is a file');
});
