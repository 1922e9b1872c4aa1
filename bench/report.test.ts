import { describe, expect, it } from 'vitest';
import { demand } from './flops';
import { heldAgainstGoals } from './goals';
import type { Measurement } from './measurement';
import { plan, type Name } from './plan';
import type { Measured } from './race';
import { fromJson, markdown, toJson, type About } from './report';

const about: About = {
  date: '2026-01-01',
  backend: 'wasm',
  adapter: 'CPU',
  host: 'a browser',
  machine: 'a machine',
  scale: 'wasm',
  opened: {},
  versions: {},
};

const taking = (milliseconds: number): Measured => {
  const sample = { milliseconds, dispatches: 0, allocatedBytes: 2 ** 20, numbers: [] };
  return { ready: 0, first: sample, samples: [sample], difference: null };
};

/** Every workload of a wasm run against plain tfjs, which takes ten times as long. */
function measured(): Measurement[] {
  const names: Name[] = ['ours', 'plain'];
  return plan({ scale: 'wasm', backend: 'wasm', names, long: false }).map((entry) => ({
    entry,
    results: new Map(entry.who.map((name) => [name, taking(name === 'ours' ? 100 : 1000)])),
    pace: [100],
    begun: '2026-01-01T10:00:00.000Z',
    load: 1,
  }));
}

const line = (rows: string[][], on: string, words: string): string[] =>
  rows.find(([device, what]) => device === on && what?.includes(words)) ?? [];

describe('heldAgainstGoals', () => {
  it('gives a figure to what was measured', () => {
    const rows = heldAgainstGoals(measured(), 'wasm');
    expect(line(rows, 'wasm', '× plain').slice(2)).toEqual(['10.0', '≥ 4', 'reached']);
    // 8 products of 2 · 1024³ FLOPs in 0.1 s.
    for (const product of ['A·B,', 'A·Bᵀ,', 'Aᵀ·B,', 'Aᵀ·Bᵀ,']) {
      expect(line(rows, 'wasm', product).slice(2)).toEqual(['172', '≥ 70', 'reached']);
    }
  });

  it('holds a run against the product of its own round', () => {
    const entries = plan({ scale: 'software', backend: 'webgpu', names: ['ours'], long: false });
    const blocks = entries.filter(({ group }) => group === 'block');
    // Each workload finds the machine at another pace, and its own last rounds at half of that.
    const all = blocks.map((entry, i): Measurement => {
      const pace = [1, 0.5, 0.5].map((part) => (part * 10) / (i + 1));
      const samples = pace.map((gflops) => taking(demand(entry).flops / (1e6 * 0.6 * gflops)).first);
      const results = new Map([['ours' as const, { ...taking(1), samples }]]);
      return { entry, results, pace, begun: '2026-01-01T10:00:00.000Z', load: 1 };
    });
    const rows = heldAgainstGoals(all, 'software');
    expect(line(rows, 'software WebGPU', 'one 125M block')[2]).toBe('60.0');
    expect(line(rows, 'software WebGPU', 'extrapolated')[2]).toBe('60.0');
    const missed = all.map((measurement) => ({ ...measurement, pace: [NaN, ...measurement.pace.slice(1)] }));
    expect(line(heldAgainstGoals(missed, 'software'), 'software WebGPU', 'extrapolated')[2]).toBe('60.0');
    const unknown = all.map((measurement) => ({ ...measurement, pace: [] }));
    expect(line(heldAgainstGoals(unknown, 'software'), 'software WebGPU', 'one 125M block')[2]).toBe(
      'not measured (the ceiling was not measured)',
    );
  });

  it('tells of every other line why it was not measured', () => {
    const rows = heldAgainstGoals(measured(), 'wasm');
    expect(line(rows, 'wasm', 'onnxruntime-web')[2]).toBe(
      'not measured (transformers was not asked to take part)',
    );
    expect(line(rows, 'hardware GPU', 'first PPO update')[2]).toBe(
      'not measured (this run had no hardware GPU)',
    );
    expect(line(heldAgainstGoals([], 'wasm'), 'wasm', 'PPO')[2]).toBe(
      'not measured (its workload was not run)',
    );
    const failed = measured();
    for (const { results } of failed) results.set('plain', { error: 'lost' });
    expect(line(heldAgainstGoals(failed, 'wasm'), 'wasm', '× plain')[2]).toBe(
      'not measured (plain failed: lost)',
    );
  });

  it('calls a line that falls short so', () => {
    const slow = measured();
    for (const { results } of slow) results.set('plain', taking(200));
    expect(line(heldAgainstGoals(slow, 'wasm'), 'wasm', '× plain').slice(2)).toEqual([
      '2.00',
      '≥ 4',
      'falls short',
    ]);
  });
});

describe('the results of an earlier run', () => {
  it('come back whole, and only of the same adapter and browser', () => {
    const text = toJson(about, measured());
    const again = fromJson(text, { ...about });
    expect([...again.values()]).toEqual(measured());
    expect(markdown(about, [...again.values()])).toBe(markdown(about, measured()));
    expect(fromJson(text, { ...about, adapter: 'another' }).size).toBe(0);
  });
});
