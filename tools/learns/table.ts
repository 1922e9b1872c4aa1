// What `npm run learns` found, as numbers a method and seed, and as a table: means over seeds with their intervals.
import { PlaygroundError } from '../../src/shared/errors.ts';
import type { StageKind } from '../../src/shared/methods.ts';

export interface Learned {
  task: string;
  /** What was asked, in Markdown. */
  about: string[];
  date: string;
  backend: string;
  device: string;
  seeds: readonly number[];
  columns: readonly Column[];
  rows: Row[];
}

export interface Column {
  name: string;
  label: string;
  /** Shown in per cent. */
  share: boolean;
}

/** A method: its settings that are not our defaults, what should come out where that is known, and what did, by column and
 *  in the order of the seeds. */
export interface Row {
  kind: StageKind;
  settings: Record<string, unknown>;
  known: number | null;
  found: Record<string, number[]>;
}

/** Student's t, 97.5 %, by degrees of freedom from 1. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** Mean over seeds and half the width of its 95 % interval (Student's t); NaN for a single seed. */
export function overSeeds(values: readonly number[]): { mean: number; margin: number } {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, margin: (STUDENT[n - 2] ?? 1.96) * Math.sqrt(squares / (n - 1) / n) };
}

/** Two tables of one task as one, the seeds of the first before those of the second. Throws `bad-arguments` where they
 *  differ in task, columns, methods or settings. */
export function joined(first: Learned, second: Learned): Learned {
  const asked = ({ task, columns, rows }: Learned): string =>
    JSON.stringify([task, columns, rows.map(({ kind, settings }) => [kind, settings])]);
  if (asked(first) !== asked(second)) {
    throw new PlaygroundError(
      'bad-arguments',
      `learns: the table to add to is of other methods or settings, or of another task ("${first.task}").`,
      'Name the table of this very command, or leave --add out.',
    );
  }
  const both = (of: (table: Learned) => string): string =>
    [...new Set([of(first), of(second)])].join(' and ');
  const rows = first.rows.map((row, i) => ({
    ...row,
    found: Object.fromEntries(
      Object.entries(row.found).map(([name, values]) => [name, [...values, ...second.rows[i]!.found[name]!]]),
    ),
  }));
  return {
    ...first,
    date: both(({ date }) => date),
    backend: both(({ backend }) => backend),
    device: both(({ device }) => device),
    seeds: [...first.seeds, ...second.seeds],
    rows,
  };
}

export function markdown(learned: Learned, labelOf: (kind: StageKind) => string): string {
  const { task, about, date, backend, device, seeds, columns, rows } = learned;
  const number = (value: number, { share }: Column): string =>
    share ? `${(100 * value).toFixed(1)} %` : value.toFixed(2);
  const cell = (values: readonly number[] | undefined, column: Column): string => {
    if (!values) return '';
    const { mean, margin } = overSeeds(values);
    return seeds.length === 1 ? number(mean, column) : `${number(mean, column)} ± ${number(margin, column)}`;
  };
  const known = rows.some((row) => row.known !== null);
  const first = columns[0]!;
  const head = ['', ...(known ? ['exact target'] : []), ...columns.map(({ label }) => label)];
  const lines = rows.map(({ kind, known: target, found }) => [
    labelOf(kind),
    ...(known ? [target === null ? '—' : number(target, first)] : []),
    ...columns.map((column) => cell(found[column.name], column)),
  ]);
  const settings = rows.map(({ kind, settings }) => `\`${kind}\` ${JSON.stringify(settings)}`);
  return [
    `# Does it learn: ${task}`,
    '',
    ...about,
    '',
    `${date}, ${backend} (${device}), seeds ${seeds.join(', ')}; mean ± half of the 95 % interval over seeds.`,
    '',
    ...[head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...lines].map(
      (cells) => `| ${cells.join(' | ')} |`,
    ),
    '',
    `Settings besides the defaults: ${settings.join('; ')}.`,
    '',
  ].join('\n');
}
