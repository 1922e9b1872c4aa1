// Which rows are held out. Whole prompts are, with all their rows: a prompt seen in training says nothing about
// prompts never seen.

import { permutation } from '../engine/random';

/**
 * Splits rows by prompt into training and held-out rows, both in their old order. The share is of the prompts, rounded,
 * but at least one where `fraction` is above 0 and two prompts are there, and never all. Rows with an empty prompt
 * count as a prompt each. Pure in (rows, seed).
 */
export function splitByPrompt<T>(
  rows: readonly T[],
  promptOf: (row: T) => string,
  fraction: number,
  seed: number,
): { train: T[]; heldOut: T[] } {
  const groups = rows.map((row, i) => promptOf(row) || i);
  const prompts = [...new Set(groups)];
  const wanted = fraction === 0 ? 0 : Math.max(1, Math.round(fraction * prompts.length));
  const count = Math.max(0, Math.min(wanted, prompts.length - 1));
  const order = permutation(prompts.length, seed, 'held-out');
  const chosen = new Set(Array.from(order.subarray(0, count), (i) => prompts[i]!));
  return {
    train: rows.filter((_, i) => !chosen.has(groups[i]!)),
    heldOut: rows.filter((_, i) => chosen.has(groups[i]!)),
  };
}
