// What a stage that is well has come to, in a sentence to hold against the texts beside it. What is not well is told by
// shared/health.ts.

import { methodNamed } from '../../shared/methods';
import type { MetricsRow } from '../../shared/protocol';
import { formatFixed, formatPercent } from './format';

/** Nats within which two policies write the same, as far as a few samples can tell. */
const UNMOVED = 0.1;

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
  const kl = values(rows, 'objective/kl').at(-1);
  if (kl === undefined) return '';
  const distance = `KL is ${formatFixed(kl, 1)}\u202fnats: the model `;
  const moved = kl < UNMOVED ? 'still writes as it did before' : 'has moved, and still talks like itself';
  return `${course('The reward', values(rows, 'objective/scores'))}${distance}${moved}.`;
}

/** A reward model: better than a coin or not. */
function ordered(rows: readonly MetricsRow[]): string {
  const heldOut = values(rows, 'eval_accuracy').at(-1);
  const share = heldOut ?? values(rows, 'accuracy').at(-1);
  if (share === undefined) return '';
  return `It puts ${formatPercent(share)} of the pairs${heldOut === undefined ? '' : ' it never saw'} in the right order; a coin would 50\u202f%.`;
}

/** A model that imitates: how well it foresees the next token. */
function learnt(rows: readonly MetricsRow[]): string {
  const heldOut = values(rows, 'eval_loss');
  const losses = heldOut.length > 0 ? heldOut : values(rows, 'loss');
  const [first, last] = [losses[0], losses.at(-1)];
  if (first === undefined || last === undefined) return '';
  const where = heldOut.length > 0 ? ' of rows it never saw' : '';
  const before = losses.length > 1 ? `, ${formatFixed(first)} at first` : '';
  return `The next token${where} surprises it by ${formatFixed(last)}\u202fnats${before}.`;
}

/** "The reward went from −0.33 to 1.06. " */
function course(what: string, of: readonly number[]): string {
  const [first, last] = [of[0], of.at(-1)];
  if (first === undefined || last === undefined || of.length < 2) return '';
  return `${what} went from ${formatFixed(first)} to ${formatFixed(last)}. `;
}

function values(rows: readonly MetricsRow[], key: string): number[] {
  return rows.map((row) => row[key]).filter((value) => typeof value === 'number');
}
