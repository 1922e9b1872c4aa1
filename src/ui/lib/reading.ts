// What a stage that is well has come to, in a sentence to hold against the texts beside it. What is not well is told by
// shared/health.ts.

import { methodNamed } from '../../shared/methods';
import type { MetricsRow } from '../../shared/protocol';
import { formatFixed, formatPercent } from './format';

/** Nats within which two policies write the same, as far as a few samples can tell. */
const UNMOVED = 0.1;

/** Nats beyond which texts had lost a quarter of their variety and more in every run of docs/results.md. */
const FAR = 4;

/** Whether a policy is where its KL alone no longer says that it is well. */
export const wentFar = (rows: readonly MetricsRow[]): boolean => (ends(rows, 'objective/kl')[1] ?? 0) > FAR;

/** Empty where nothing of the stage can be put so. */
export function readingOf(rows: readonly MetricsRow[]): string {
  switch (methodNamed(rows[0]?.stage ?? '')?.headline?.metric) {
    case 'loss':
      return learnt(rows);
    case 'accuracy':
      return ordered(rows);
    default:
      return reached(rows);
  }
}

/** A policy that learns from its own samples: what it gained, and how far it went for it. */
function reached(rows: readonly MetricsRow[]): string {
  const [, kl] = ends(rows, 'objective/kl');
  if (kl === undefined) return '';
  const distance = `KL is ${formatFixed(kl, 1)}\u202fnats: the model `;
  const moved =
    kl < UNMOVED
      ? 'still writes as it did before'
      : wentFar(rows)
        ? 'has moved far. Read whether its texts still make sense'
        : 'has moved, and still talks like itself';
  const [from, to] = ends(rows, 'objective/scores');
  const gained =
    rows.length < 2 || from === undefined || to === undefined
      ? ''
      : `The reward went from ${formatFixed(from)} to ${formatFixed(to)}. `;
  return `${gained}${distance}${moved}.`;
}

/** A reward model: better than a coin or not. */
function ordered(rows: readonly MetricsRow[]): string {
  const [, heldOut] = ends(rows, 'eval_accuracy');
  const share = heldOut ?? ends(rows, 'accuracy')[1];
  if (share === undefined) return '';
  return `It puts ${formatPercent(share)} of ${heldOut === undefined ? 'the' : 'held-out'} pairs in the right order; a coin would 50\u202f%.`;
}

/** A model that imitates: how well it foresees the next token. */
function learnt(rows: readonly MetricsRow[]): string {
  const heldOut = rows.some((row) => typeof row['eval_loss'] === 'number');
  const [first, last] = ends(rows, heldOut ? 'eval_loss' : 'loss');
  if (first === undefined || last === undefined) return '';
  const before = first === last ? '' : `, at first ${formatFixed(first)}`;
  return `The next ${heldOut ? 'held-out ' : ''}token surprises it by ${formatFixed(last)}\u202fnats${before}.`;
}

/** The first and the last value of a metric. */
function ends(rows: readonly MetricsRow[], key: string): [number | undefined, number | undefined] {
  const values = rows.map((row) => row[key]).filter((value) => typeof value === 'number');
  return [values[0], values[values.length - 1]];
}
