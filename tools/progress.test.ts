import { expect, test } from 'vitest';
import type { Event } from '../src/shared/protocol.ts';
import { duration, progressPrinter } from './progress.ts';

test('durations are told in the unit a person would use', () => {
  expect([0.4, 59, 60, 3000, 7200].map(duration)).toEqual(['0 s', '59 s', '1 min', '50 min', '2.0 h']);
});

test('a line of metrics at most every second, and always the last step', () => {
  const lines: string[] = [];
  let now = 0;
  const show = progressPrinter(
    (line) => lines.push(line),
    () => now,
  );
  const step = (at: number, number: number): Event => {
    now = at;
    return { type: 'metrics', row: { stage: 'sft', step: number, loss: 1 / number }, secondsLeft: 2 };
  };
  show({ type: 'stage', name: 'sft', kind: 'sft', state: 'running', totalSteps: 4, seconds: 0 });
  show(step(0, 1));
  show(step(900, 2));
  show(step(1000, 3));
  show(step(1100, 4));
  expect(lines).toEqual([
    'sft: running',
    'sft 1/4  loss 1  (2 s left)',
    'sft 3/4  loss 0.3333  (2 s left)',
    'sft 4/4  loss 0.25  (2 s left)',
  ]);
});

test('a stage that ends tells the most memory that was taken in it', () => {
  const lines: string[] = [];
  const show = progressPrinter((line) => lines.push(line));
  const took = (mb: number): void =>
    show({ type: 'memory', memory: { tensors: 1, bytes: 1, allocatedBytes: mb * 1e6 } });
  const stage = (name: string, state: 'running' | 'finished', seconds: number): void =>
    show({ type: 'stage', name, kind: 'sft', state, totalSteps: 4, seconds });
  took(900);
  stage('sft', 'running', 0);
  [200, 550.3, 100].forEach(took);
  stage('sft', 'finished', 30);
  stage('dpo', 'running', 0);
  took(70);
  stage('dpo', 'finished', 5);
  expect(lines).toEqual([
    'sft: running',
    'sft: finished after 30 s, took at most 550.3 MB of the device',
    'dpo: running',
    'dpo: finished after 5 s, took at most 70.0 MB of the device',
  ]);
});

test('loading is told once for each thing', () => {
  const lines: string[] = [];
  const show = progressPrinter((line) => lines.push(line));
  for (const loadedBytes of [0, 5e5, 1e6]) {
    show({ type: 'loading', what: 'model', loadedBytes, totalBytes: 1e6 });
  }
  expect(lines).toEqual(['loading model (1.0 MB)']);
});
