// report.md: the report for people, the same figures as report.json.

import { metricOf } from '../shared/metrics';
import { bestOfNDistance } from '../shared/optimum';
import type { Interval, Report } from '../shared/protocol';

/** Findings that are shares. */
const SHARES = new Set([
  'accuracy',
  'accuracy_ceiling',
  'calibration_error',
  'reached',
  'optimum',
  'optimum_at_most',
]);

/** What is shown in per cent. */
const isShare = (figure: string): boolean =>
  SHARES.has(figure) || metricOf('evaluate', figure)?.unit === 'share';

/** What the figures of an optimum are, said beside them. */
const ABOUT_OPTIMUM =
  'The optimum is the mean reward of the best policy at this price of KL, prompt by prompt, estimated from 16 or more samples of the reference a prompt; it is a little low where the reference hardly ever scores, and cannot lie above `optimum_at_most`, which takes all prompts for one.';

/** And what the KL of best-of-n is. */
const ABOUT_BEST_OF_N =
  'The KL of the best of n completions of the reference is exact in each prompt’s share of good ones, F(y)^n − F(y⁻)^n, and known as well as that share.';

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
            ...checkpoints.map(
              (checkpoint) =>
                cell(evaluation[checkpoint]![metric], isShare(metric)) ||
                (metric === 'kl' ? bestOfN(checkpoint, findings) : ''),
            ),
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
            ...pairs.map(([, { differences }]) => cell(differences?.[metric], isShare(metric))),
          ]),
        ],
      ),
    );
  }
  for (const [stage, found] of Object.entries(findings ?? {})) {
    lines.push('', `Findings of ${stage}:`, '');
    if ('optimum' in found) lines.push(ABOUT_OPTIMUM, '');
    if (Object.keys(found).some((metric) => metric.startsWith('best_of_'))) lines.push(ABOUT_BEST_OF_N, '');
    lines.push(
      ...table(
        ['', 'value'],
        Object.entries(found).map(([metric, interval]) => [metric, cell(interval, isShare(metric))]),
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}

/** The best of n samples are draws of no policy whose log-probabilities are known: their KL is not measured, but may follow
 *  from the shares of good completions, and can be no more than its bound (Beirami et al. 2024). */
function bestOfN(checkpoint: string, findings: Report['findings']): string {
  const distance = bestOfNDistance(checkpoint, findings);
  if (!distance) return '';
  return distance.exact ? cell(distance.kl, false) : `≤ ${distance.kl.value.toFixed(2)} (bound)`;
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
