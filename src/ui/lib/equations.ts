// The loss of each stage in mathematics, as its row in the list of methods has it, and the same line with the numbers of a
// step filled in.

import type { Line } from '../../shared/method';
import { methodOf, type StageKind } from '../../shared/methods';
import type { MetricsRow } from '../../shared/protocol';
import { defaultStage } from '../../shared/validate';
import { formatFixed, formatNumber } from './format';

export interface Equation {
  says: string;
  formula: string;
  /** Null before the first step, and where a setting makes other numbers of it. */
  filled: string | null;
}

/** The formulas of a stage as its settings make them, with the numbers of a metrics row; none for a stage that has no
 *  loss. Settings that are not known are the defaults. */
export function equationsOf(
  kind: StageKind,
  settings: object | null,
  row: MetricsRow | undefined,
): Equation[] {
  const stage = { ...defaultStage(kind), ...settings };
  const lines = methodOf(kind).equations?.(stage as never) ?? [];
  return lines.map((line) => ({
    says: line.says,
    formula: line.formula,
    filled: row ? filled(line, { ...stage, ...row }) : null,
  }));
}

function filled({ numbers, result }: Line, values: object): string | null {
  const known = new Map<string, unknown>(Object.entries(values));
  const of = (name: string): number => Number(known.get(name) ?? NaN);
  if (result) known.set('result', result(of));
  const names = Array.from(numbers.matchAll(/«([^»]+)»/g), ([, name = '']) => name);
  if (names.some((name) => !Number.isFinite(known.get(name)))) return null;
  return numbers.replaceAll(/«([^»]+)»/g, (_, name: string) => `⟨${show(of(name))}⟩`);
}

function show(value: number): string {
  return Math.abs(value) < 0.1 ? formatNumber(value) : formatFixed(value);
}
