// The figure under each station, from the metrics of that station alone.

import { describe, expect, it } from 'vitest';
import type { Experiment } from '../../shared/experiment';
import { defaultStage } from '../../shared/validate';
import { keyNumber, sparkline, type Told } from './keynumber';
import { MetricsBook } from './series';
import { stationsOf } from './stations';
import { methodOf, STAGE_KINDS } from '../../shared/methods';
import { metricOf } from '../../shared/metrics';

const stages = [defaultStage('sft'), defaultStage('ppo'), defaultStage('sft')];
const experiment = { data: { sft: 'a', prompts: 'b' }, stages } as unknown as Experiment;
const stations = stationsOf(stages);

function told(fill: (book: MetricsBook) => void): Told {
  const book = new MetricsBook();
  fill(book);
  return { model: null, report: null, stage: () => null, columns: (name) => book.of(name) };
}

function number(from: Told, name: string): string | null {
  const station = stations.find((each) => each.name === name)!;
  const told = keyNumber(from, station, experiment);
  return told && `${told.figure} ${told.of}`;
}

describe('stations', () => {
  it('follow the experiment, a second of a kind by number', () => {
    expect(stations.map(({ name }) => name)).toEqual(['model', 'data', 'sft', 'ppo', 'sft-2']);
    expect(stations.map(({ label }) => label)).toEqual(['Model', 'Data', 'SFT', 'PPO', 'SFT\u202f2']);
  });

  it('chart metrics that the table knows, pairs aside', () => {
    for (const kind of STAGE_KINDS)
      for (const { series } of methodOf(kind).charts)
        for (const { key } of series)
          if (key.startsWith('eval_')) expect(metricOf(kind, key.slice(5)), `${kind} ${key}`).toBeDefined();
          else expect(metricOf(kind, key), `${kind} ${key}`).toBeDefined();
  });
});

describe('keyNumber', () => {
  it('shows from where to where, held-out loss before training loss', () => {
    const columns = told((book) => {
      book.append({ stage: 'sft', step: 1, loss: 3 });
      book.append({ stage: 'sft', step: 2, loss: 2, eval_loss: 2.5 });
      book.append({ stage: 'sft', step: 3, loss: 1, eval_loss: 1.5 });
      book.append({ stage: 'ppo', step: 1, 'objective/scores': -0.25 });
    });
    expect(number(columns, 'sft')).toBe('2.50 → 1.50 loss');
    expect(number(columns, 'ppo')).toBe('\u22120.25 score');
    expect(number(columns, 'sft-2')).toBeNull();
    expect(number(columns, 'data')).toBe('2 sets');
  });
});

describe('sparkline', () => {
  it('spans its box, and waits for three points', () => {
    const station = stations[2]!;
    const two = told((book) => [1, 2].forEach((step) => book.append({ stage: 'sft', step, loss: step })));
    expect(sparkline(two, station)).toBe('');
    const three = told((book) =>
      [1, 2, 3].forEach((step) => book.append({ stage: 'sft', step, loss: 4 - step })),
    );
    expect(sparkline(three, station)).toBe('0.0,0.0 24.0,6.0 48.0,12.0');
  });
});
