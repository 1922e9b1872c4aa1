// What the default experiment promises to show, as checks of its report: `npm run demo` names each line that is missed.

import type { Interval, Report } from '../shared/protocol';

export interface Expectation {
  /** What is promised, with the bar in words. */
  line: string;
  /** Null where the report does not say. */
  value: number | null;
  bar: number;
  holds: boolean;
}

/** The promise line by line. Shares are in [0, 1], KL in nats. */
export function expectations({ evaluation, comparisons, findings }: Report): Expectation[] {
  const names = Object.keys(evaluation);
  const ppo = names.findLast((name) => name.startsWith('ppo')) ?? 'ppo';
  const bestOf = names.find((name) => name.startsWith('best-of-')) ?? 'best-of-4';
  const figure = (checkpoint: string, metric: string): number | null =>
    valueOf(evaluation[checkpoint]?.[metric]);
  const atLeast = (line: string, value: number | null, bar: number | null): Expectation => ({
    line,
    value,
    bar: bar ?? NaN,
    holds: value !== null && bar !== null && value >= bar,
  });
  const atMost = (line: string, value: number | null, bar: number): Expectation => ({
    line,
    value,
    bar,
    holds: value !== null && value <= bar,
  });

  const accuracy = valueOf(findings?.['reward']?.['accuracy']);
  const ceiling = valueOf(findings?.['reward']?.['accuracy_ceiling']);
  const gained = comparisons[`${ppo}>sft`]?.differences?.['happy'];
  const kl = figure(ppo, 'kl');
  return [
    atMost('base: finish rate near 0 (at most 10 %)', figure('base', 'finish_rate'), 0.1),
    atMost('base: followed format near 0 (at most 10 %)', figure('base', 'followed_format'), 0.1),
    atLeast('SFT: finish rate at least 90 %', figure('sft', 'finish_rate'), 0.9),
    atLeast('SFT: followed format at least 90 %', figure('sft', 'followed_format'), 0.9),
    atLeast('reward model: held-out accuracy at least 70 %', accuracy, 0.7),
    atLeast(
      'reward model: (accuracy − 50 %) / (ceiling − 50 %) at least 0.8',
      accuracy === null || ceiling === null ? null : (accuracy - 0.5) / (ceiling - 0.5),
      0.8,
    ),
    atLeast('RLHF: happy endings at least 25 points above SFT', gained?.value ?? null, 0.25),
    {
      ...atLeast('RLHF: the paired interval of that difference above 0', gained?.low ?? null, 0),
      holds: (gained?.low ?? 0) > 0,
    },
    atLeast('RLHF: happy endings not below best-of-n of SFT', figure(ppo, 'happy'), figure(bestOf, 'happy')),
    {
      ...atMost('RLHF: KL to the reference above 0 and at most 10 nats', kl, 10),
      holds: kl !== null && kl > 0 && kl <= 10,
    },
    atLeast(
      'RLHF: distinct-2 at least 80 % of SFT’s',
      figure(ppo, 'distinct_2'),
      times(figure('sft', 'distinct_2'), 0.8),
    ),
    atLeast(
      'RLHF: finish rate at most 5 points below SFT’s',
      figure(ppo, 'finish_rate'),
      plus(figure('sft', 'finish_rate'), -0.05),
    ),
  ];
}

/** The lines that were missed, each with what was found and what was asked. */
export function missedExpectations(report: Report): string[] {
  const show = (value: number | null): string =>
    value === null || Number.isNaN(value) ? 'not measured' : value.toFixed(3);
  return expectations(report)
    .filter(({ holds }) => !holds)
    .map(({ line, value, bar }) => `${line}: ${show(value)}, asked ${show(bar)}`);
}

const valueOf = (interval: Interval | undefined): number | null => interval?.value ?? null;
const times = (value: number | null, factor: number): number | null =>
  value === null ? null : value * factor;
const plus = (value: number | null, more: number): number | null => (value === null ? null : value + more);
