// Two checkpoints set against each other: each metric of both, the difference with its interval where it was measured
// pair by pair, and the main result in a sentence.

import { type Metric, metricOf } from '../../shared/metrics';
import type { Interval, Report } from '../../shared/protocol';
import { formatFixed, formatPercent, titleOf } from '../lib/format';
import { checkpointLabel } from '../lib/verdict';

export interface DifferenceRow {
  key: string;
  label: string;
  metric: Metric | undefined;
  before: string;
  after: string;
  /** "+44 (40 to 48)", in points of per cent for shares; '' where it was not measured. */
  change: string;
  /** Whether the interval leaves zero out: more than luck. */
  clear: boolean;
}

/** Figures of `after` minus those of `before`, paired by prompt; null where the report has not compared the two. */
function compared(
  { comparisons }: Report,
  before: string,
  after: string,
): { win_rate: Interval; differences: Record<string, Interval> } | null {
  const straight = comparisons[`${after}>${before}`];
  if (straight) return { differences: {}, ...straight };
  const turned = comparisons[`${before}>${after}`];
  if (!turned) return null;
  const mirror = ({ value, low, high }: Interval, at: number): Interval => ({
    value: at - value,
    low: at - high,
    high: at - low,
  });
  return {
    win_rate: mirror(turned.win_rate, 1),
    differences: Object.fromEntries(
      Object.entries(turned.differences ?? {}).map(([key, interval]) => [key, mirror(interval, 0)]),
    ),
  };
}

export function differenceRows(report: Report, before: string, after: string): DifferenceRow[] {
  const [left = {}, right = {}] = [report.evaluation[before], report.evaluation[after]];
  const differences = compared(report, before, after)?.differences ?? {};
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return keys.map((key) => {
    const metric = metricOf('evaluate', key);
    const share = metric?.unit === 'share';
    const show = (interval: Interval | undefined): string =>
      interval ? (share ? formatPercent(interval.value) : formatFixed(interval.value)) : '–';
    const difference = differences[key];
    return {
      key,
      label: metric?.label ?? titleOf(key),
      metric,
      before: show(left[key]),
      after: show(right[key]),
      change: difference ? showChange(difference, share) : '',
      clear: difference !== undefined && isClear(difference),
    };
  });
}

function isClear({ low, high }: Interval): boolean {
  return low > 0 || high < 0;
}

/** "+44 (40 to 48)". */
function showChange({ value, low, high }: Interval, share: boolean): string {
  // Small differences of shares would all round to nothing.
  const small = Math.max(Math.abs(low), Math.abs(high)) < 0.02;
  const show = (part: number): string =>
    share && !small ? points(part) : formatFixed(share ? 100 * part : part, share ? 1 : 2);
  return `${value > 0 ? '+' : ''}${show(value)} (${show(low)} to ${show(high)})`;
}

const points = (share: number): string => String(Math.round(100 * share)).replace('-', '\u2212');

/** "After PPO 93 % of the endings are happy, 44 points more than after SFT (40 to 48)." Empty where nobody counted. */
export function differenceSentence(report: Report, before: string, after: string): string {
  const [left, right] = [report.evaluation[before]?.['happy'], report.evaluation[after]?.['happy']];
  if (!left || !right || before === after) return '';
  const [whose, other] = [place(after), place(before)];
  const pair = compared(report, before, after);
  const difference = pair?.differences['happy'];
  const begin = `${whose.charAt(0).toUpperCase()}${whose.slice(1)}, ${formatPercent(right.value)} of the endings are happy`;
  const gap = difference ?? { value: right.value - left.value, low: Number.NaN, high: Number.NaN };
  const [low, high] = gap.value < 0 ? [-gap.high, -gap.low] : [gap.low, gap.high];
  const size = `${points(Math.abs(gap.value))} points ${gap.value < 0 ? 'fewer' : 'more'} than ${other}`;
  if (!difference) {
    const apart = right.low > left.high || left.low > right.high;
    return `${begin}, ${size}; the intervals of the two ${apart ? 'do not touch' : 'overlap'}.`;
  }
  const sure = isClear(difference)
    ? `(${points(low)} to ${points(high)})`
    : `(${points(low)} to ${points(high)}: perhaps luck)`;
  const { win_rate } = pair;
  const wins = `Side by side, its ending is the better one in ${formatPercent(win_rate.value)}`;
  return `${begin}, ${size} ${sure}. ${wins} (${points(win_rate.low)} to ${points(win_rate.high)}).`;
}

function place(checkpoint: string): string {
  const label = checkpointLabel(checkpoint);
  return label.startsWith('after ') ? label : `with the ${label}`;
}
