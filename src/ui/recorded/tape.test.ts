import { describe, expect, it } from 'vitest';
import type { Event } from '../../shared/protocol';
import type { RecordedRun } from '../../shared/recording';
import { parseExperiment } from '../../shared/validate';
import { tapeOf, tickAt } from './tape';

const { experiment } = parseExperiment(
  JSON.stringify({
    format: 1,
    data: { sft: 'a.jsonl', prompts: 'b.jsonl' },
    stages: [{ kind: 'sft' }, { kind: 'ppo', reward: { kind: 'tokens', weights: { a: 1 } } }],
  }),
  'x',
);
const sample = (checkpoint: string, kl?: number) => ({
  checkpoint,
  prompt: 'p',
  completion: 'c',
  token_ids: [1],
  seed: 0,
  ...(kl !== undefined && { kl }),
});
const run: RecordedRun = {
  experiment,
  model: null,
  metrics: [
    { stage: 'sft', step: 1, loss: 2, seconds: 1 },
    { stage: 'sft', step: 2, loss: 1, seconds: 2 },
    { stage: 'ppo', step: 1, 'objective/kl': 0, seconds: 10 },
  ],
  samples: [sample('base@0'), sample('base', 2), sample('sft@2'), sample('ppo@1'), sample('ppo', 0.5)],
  changes: [],
  rows: {},
  pairs: [],
  report: {
    name: 'x',
    seed: 1,
    backend: 'wasm',
    device: 'CPU',
    seconds: { sft: 3, ppo: 10 },
    evaluation: {},
    comparisons: {},
  },
};

const short = (event: Event): string => {
  switch (event.type) {
    case 'stage':
      return `${event.name} ${event.state}`;
    case 'metrics':
      return `${event.row.stage} ${event.row.step}`;
    case 'sample':
      return `sample ${event.sample.checkpoint}`;
    case 'run':
      return `run ${event.state}`;
    default:
      return event.type;
  }
};

describe('the tape of a recorded run', () => {
  it('has a tick for every step, when it was done', () => {
    expect(tapeOf(run).ticks).toEqual([
      { stage: 'sft', step: 1, seconds: 1 },
      { stage: 'sft', step: 2, seconds: 3 },
      { stage: 'ppo', step: 1, seconds: 13 },
    ]);
  });

  it('tells what a worker would have told', () => {
    expect(tapeOf(run).events.map((events) => events.map(short))).toEqual([
      ['sample base@0', 'sft running', 'sft 1'],
      ['sft 2', 'sample sft@2'],
      [
        ...['sft finished', 'ppo running', 'ppo 1', 'sample ppo@1'],
        ...['sft finished', 'ppo finished', 'sample base', 'sample ppo', 'report', 'run finished'],
      ],
    ]);
  });

  it('tells what older runs call base before any step', () => {
    const samples = run.samples.map((row) => ({
      ...row,
      checkpoint: row.checkpoint.replace('base@0', 'base'),
    }));
    expect(tapeOf({ ...run, samples }).events[0]?.map(short)[0]).toBe('sample base');
  });

  it('tells a changed setting where it began to hold', () => {
    const change = { stage: 'sft', key: 'learning_rate', value: 1e-4, step: 1 };
    const [first, second] = tapeOf({ ...run, changes: [change] }).events;
    expect(first?.map(short)).not.toContain('changed');
    expect(second?.slice(0, 2)).toMatchObject([{ type: 'changed', change }, { type: 'metrics' }]);
  });

  it('of an unfinished run stops where the run did', () => {
    const events = tapeOf({ ...run, report: null })
      .events.flat()
      .map(short);
    expect(events.slice(-1)).toEqual(['run stopped']);
    expect(events).not.toContain('ppo finished');
  });
});

it('the tick of a time is the last one done by then', () => {
  const { ticks } = tapeOf(run);
  expect([0, 1, 2.9, 3, 12.9, 13, 99].map((seconds) => tickAt(ticks, seconds))).toEqual([
    0, 0, 0, 1, 1, 2, 2,
  ]);
});
