// Which rows are held out. Whole prompts are, with all their rows: a prompt seen in training says nothing about
// prompts never seen.

import { permutation } from '../engine/random';

/**
 * Splits rows by prompt into training and held-out rows, both in their old order. The share is of the prompts, rounded,
 * but at least one where `fraction` is above 0 and two prompts are there, and never all. Pure in (rows, seed).
 */
export function splitByPrompt<T>(
  rows: readonly T[],
  promptOf: (row: T) => string,
  fraction: number,
  seed: number,
): { train: T[]; heldOut: T[] } {
  const prompts = [...new Set(rows.map(promptOf))];
  const wanted = fraction === 0 ? 0 : Math.max(1, Math.round(fraction * prompts.length));
  const count = Math.min(wanted, prompts.length - 1);
  const order = permutation(prompts.length, seed, 'held-out');
  const chosen = new Set(Array.from(order.subarray(0, Math.max(0, count)), (i) => prompts[i]!));
  return {
    train: rows.filter((row) => !chosen.has(promptOf(row))),
    heldOut: rows.filter((row) => chosen.has(promptOf(row))),
  };
}
