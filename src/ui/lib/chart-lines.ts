// What a chart draws: of each series of the run on show, and of the other runs laid under it, one line or, when curves
// are smoothed, the smooth one over the ghost of what was measured. All lines share one column of steps.

import type { MetricColumns } from './series';
import { smooth } from './smooth';
import type { ChartPlan, SeriesPlan } from '../../shared/method';

type Column = (number | null)[];

export interface Line {
  series: SeriesPlan;
  /** 0 is the run on show; others are told apart by their dashes. */
  run: number;
  ghost: boolean;
  values: Column;
}

export interface Lines {
  steps: number[];
  lines: Line[];
}

export interface LineOptions {
  /** In [0, 1). */
  smoothing: number;
  /** Keys of series that are not drawn. */
  hidden: ReadonlySet<string>;
  /** On a logarithmic axis there is no place for 0 and what lies below. */
  log: boolean;
}

/** `runs`: metrics of the stage, those of the run on show first. */
export function linesOf(plan: ChartPlan, runs: readonly MetricColumns[], options: LineOptions): Lines {
  const [own] = runs;
  const steps = runs.reduce<number[]>((all, { steps: more }) => merged(all, more), []);
  const lines = runs.flatMap((columns, run) =>
    plan.series
      .filter(({ key }) => !options.hidden.has(key) && (run === 0 || columns.has(key)))
      .flatMap((series): Line[] => {
        const column = columns.column(series.key);
        const measured = options.log ? column.map(positive) : column.slice();
        const drawn = smooth(measured, options.smoothing);
        const placed = (values: Column): Column =>
          columns === own && runs.length === 1 ? values : place(values, columns.steps, steps);
        const line = { series, run, ghost: false, values: placed(drawn) };
        return options.smoothing > 0 && run === 0
          ? [{ ...line, ghost: true, values: placed(measured) }, line]
          : [line];
      }),
  );
  return { steps, lines };
}

function positive(value: number | null): number | null {
  return value !== null && value <= 0 ? null : value;
}

/** Two rising lists as one, what is in both once. */
function merged(one: readonly number[], other: readonly number[]): number[] {
  const all: number[] = [];
  for (let i = 0, j = 0; i < one.length || j < other.length;) {
    const next = Math.min(one[i] ?? Infinity, other[j] ?? Infinity);
    all.push(next);
    if (one[i] === next) i += 1;
    if (other[j] === next) j += 1;
  }
  return all;
}

/** A column at its own steps, laid out over the steps of all; both rise. */
function place(column: Column, own: readonly number[], all: readonly number[]): Column {
  let i = 0;
  return all.map((step) => (own[i] === step ? (column[i++] ?? null) : null));
}

/** The curves as a table: a row a step, a column a series of each run, as measured. Fields are quoted where they must. */
export function chartCsv(
  plan: ChartPlan,
  runs: readonly { label: string; columns: MetricColumns }[],
): string {
  const { steps, lines } = linesOf(
    plan,
    runs.map(({ columns }) => columns),
    { smoothing: 0, hidden: new Set(), log: false },
  );
  const name = ({ series, run }: Line): string =>
    run === 0 ? series.key : `${series.key} (${runs[run]?.label ?? ''})`;
  const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = steps.map((step, i) => [step, ...lines.map(({ values }) => values[i] ?? '')].join(','));
  return [['step', ...lines.map(name)].map(quoted).join(','), ...rows, ''].join('\n');
}
