// report.md: the report for people, the same figures as report.json.

import type { Interval, Report } from '../shared/protocol';

/** Figures that are shares, shown in per cent. */
const SHARES = new Set([
  'happy',
  'finish_rate',
  'followed_format',
  'repetition',
  'distinct_2',
  'accuracy',
  'accuracy_ceiling',
  'calibration_error',
  'reached',
  'optimum',
]);

export function reportMarkdown({
  name,
  seed,
  backend,
  device,
  seconds,
  evaluation,
  comparisons,
  findings,
}: Report): string {
  const checkpoints = Object.keys(evaluation);
  const metrics = [...new Set(Object.values(evaluation).flatMap((figures) => Object.keys(figures)))];
  const total = Object.values(seconds).reduce((sum, s) => sum + s, 0);
  const lines = [
    `# ${name}`,
    '',
    `Seed ${seed} on ${backend} (${device}), ${Math.round(total)} s in all: ${Object.entries(seconds)
      .map(([stage, s]) => `${stage} ${Math.round(s)} s`)
      .join(', ')}.`,
  ];
  if (checkpoints.length > 0) {
    lines.push('', 'Value and 95 % interval (bootstrap over prompts):', '');
    lines.push(
      ...table(
        ['', ...checkpoints],
        [
          ...metrics.map((metric) => [
            metric,
            ...checkpoints.map((checkpoint) => cell(evaluation[checkpoint]![metric], SHARES.has(metric))),
          ]),
        ],
      ),
    );
  }
  const pairs = Object.entries(comparisons);
  if (pairs.length > 0) {
    const differing = [...new Set(pairs.flatMap(([, { differences }]) => Object.keys(differences ?? {})))];
    lines.push(
      '',
      'Compared, paired by prompt (win rate by the judge’s graded score, ties ½; differences of the figures above):',
      '',
    );
    lines.push(
      ...table(
        ['', ...pairs.map(([pair]) => pair)],
        [
          ['win_rate', ...pairs.map(([, { win_rate }]) => cell(win_rate, true))],
          ...differing.map((metric) => [
            metric,
            ...pairs.map(([, { differences }]) => cell(differences?.[metric], SHARES.has(metric))),
          ]),
        ],
      ),
    );
  }
  for (const [stage, found] of Object.entries(findings ?? {})) {
    lines.push('', `Findings of ${stage}:`, '');
    lines.push(
      ...table(
        ['', 'value'],
        Object.entries(found).map(([metric, interval]) => [metric, cell(interval, SHARES.has(metric))]),
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}

function table(head: string[], rows: string[][]): string[] {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)];
}

function cell(interval: Interval | undefined, share: boolean): string {
  if (!interval) return '';
  const show = (value: number): string => (share ? `${(100 * value).toFixed(1)} %` : value.toFixed(2));
  const { value, low, high } = interval;
  return low === high ? show(value) : `${show(value)} (${show(low)} … ${show(high)})`;
}
