import { describe, expect, it } from 'vitest';
import { plan } from './plan';

const growth = (long: boolean) =>
  plan({ scale: 'wasm', backend: 'wasm', names: ['ours', 'transformers'], long }).filter(
    ({ group }) => group === 'growth',
  );

describe('plan', () => {
  it('grows every workload over batch 1 … 64, length 64 … 1,024 and 1M … 125M, where it has them', () => {
    const extents = (kind: string) => {
      const points = growth(true).filter((entry) => entry.kind === kind);
      const range = (values: number[]) => [Math.min(...values), Math.max(...values)];
      return {
        batch: range(points.map(({ batch }) => batch)),
        length: range(points.map(({ prompt, completion }) => prompt + completion)),
        width: range(points.map(({ model }) => model.hidden_size)),
      };
    };
    const whole = { batch: [1, 64], length: [64, 1024], width: [96, 768] };
    for (const kind of ['sft', 'ppo', 'rollout']) expect(extents(kind)).toEqual(whole);
    expect(extents('decode')).toEqual({ ...whole, batch: [1, 1] });
    expect(extents('load')).toEqual({ ...whole, batch: [1, 1], length: [2, 2] });
  });

  it('names every workload once', () => {
    const labels = plan({ scale: 'hardware', backend: 'webgpu', names: ['ours'], long: true }).map(
      ({ label }) => label,
    );
    expect(new Set(labels).size).toBe(labels.length);
  });

  it('asks of someone only what they can do', () => {
    for (const { kind, who } of growth(true)) {
      expect(who.includes('transformers')).toBe(['rollout', 'decode', 'load'].includes(kind));
    }
  });
});
