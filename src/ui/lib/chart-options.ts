// A chart as uPlot wants it described: axes and lines in the colours of their roles, the healthy range behind them, and
// the point in time that the timeline shows. What changes under a drawn chart is asked for when it is drawn.

import type uPlot from 'uplot';
import type { Metric } from '../../shared/metrics';
import type { Line } from './chart-lines';
import { colourOf } from './colours';
import { formatNumber, formatPercent } from './format';

interface ChartSize {
  height: number;
  /** How much larger than usual what is written and drawn is. */
  scale: number;
}

/** How much larger than usual the page's letters are on this screen. */
export function letterScale(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
}

/** Pixels of a chart: more where it is for a room to read, and on a screen where all letters are larger. */
export function chartSize(presented: boolean): ChartSize {
  const grown = letterScale();
  return { height: (presented ? 320 : 136) * grown, scale: (presented ? 1.6 : 1) * grown };
}

/** uPlot names its scales in a const enum, which is not there for a module that is compiled alone. */
const LOGARITHMIC = Object.fromEntries([['distr', 3]]) as uPlot.Scale;

/** Distances of ticks: steps are whole. */
const STEPS = [1, 10, 100, 1000, 10_000, 100_000].flatMap((ten) => [ten, 2 * ten, 5 * ten]);
/** Dashes of the other runs, by their order; the run on show is drawn through. */
export const RUN_DASHES: readonly number[][] = [[], [8, 3], [4, 3], [2, 3], [8, 3, 2, 3]];

export interface ChartSource {
  stage: string;
  lines: readonly Line[];
  share: boolean;
  log: boolean;
  healthy: Metric['healthy'];
  theme: () => string;
  size: ChartSize;
  /** What a step of the stage is called. */
  unit: string;
  totalSteps: () => number;
  /** Step that the timeline shows, null at the present. */
  moment: () => number | null;
  onCursor: (index: number | null) => void;
}

export function chartOptions(width: number, source: ChartSource): uPlot.Options {
  const { stage, lines, share, log, theme, unit } = source;
  const { height, scale } = source.size;
  const axis = {
    stroke: () => colourOf('ink-soft', theme()),
    font: `${12 * scale}px system-ui, sans-serif`,
    size: 24 * scale,
    ticks: { show: false },
  };
  const grid = { stroke: () => colourOf('line', theme()), width: 1 };
  const y: uPlot.Scale = log ? LOGARITHMIC : { range: (_, min, max) => span(min, max, share) };
  const show = (tick: number | null): string =>
    tick === null ? '' : share ? formatPercent(tick) : formatNumber(tick);
  /** A scale of values that nobody has measured would say something false. */
  const measured = ({ data }: uPlot): boolean => data[0].length > 0;
  return {
    width,
    height,
    padding: [8, 14 * scale, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: stage }, y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: {
      x: { time: false, range: (_, min, max) => [Math.min(min, 1), Math.max(max, source.totalSteps(), 2)] },
      y,
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 64 * scale,
        incrs: STEPS,
        // The first says what is counted.
        values: (chart, ticks) =>
          ticks.map((tick, i) =>
            measured(chart) ? `${i === 0 ? `${unit} ` : ''}${formatNumber(tick)}` : '',
          ),
      },
      {
        ...axis,
        grid,
        size: 46 * scale,
        space: 22 * scale,
        values: (chart, ticks) => ticks.map((tick) => (measured(chart) ? show(tick) : '')),
      },
    ],
    series: [
      {},
      ...lines.map(({ series, run, ghost }): uPlot.Series => {
        const dash = run > 0 ? RUN_DASHES[run] : series.dashed ? [6, 4] : undefined;
        return {
          label: series.label,
          stroke: () => colourOf(series.role, theme()),
          width: (ghost || run > 0 ? 1.25 : 2) * scale,
          alpha: ghost ? 0.35 : 1,
          ...(dash ? { dash } : {}),
          spanGaps: true,
          points: { show: (chart: uPlot, at: number) => !ghost && lone(chart.data[at]) },
        };
      }),
    ],
    hooks: {
      setCursor: [({ cursor: { idx } }) => source.onCursor(idx ?? null)],
      drawClear: [(chart) => drawHealthy(chart, source)],
      draw: [(chart) => drawMoment(chart, source)],
    },
  };
}

/** A series of a single value is drawn as a point: a line would need two. */
function lone(values: ArrayLike<number | null | undefined> | undefined): boolean {
  return Array.from(values ?? []).filter((value) => typeof value === 'number').length === 1;
}

/** What the y axis spans: a little more than the values, and something even where they are all the same. A share is not
 *  below nothing, nor above all. */
function span(min: number, max: number, share: boolean): [number, number] {
  const room = (max - min) * 0.08 || Math.abs(max) * 0.5 || 0.5;
  const [low, high] = [min - room, max + room];
  return share ? [Math.max(Math.min(min, 0), low), Math.min(Math.max(max, 1), high)] : [low, high];
}

function drawHealthy(chart: uPlot, { healthy, theme }: ChartSource): void {
  const { min: low = -Infinity, max: high = Infinity } = healthy ?? {};
  const { min, max } = chart.scales['y'] ?? {};
  if (!healthy || chart.data[0].length === 0 || typeof min !== 'number' || typeof max !== 'number') return;
  const top = chart.valToPos(Math.min(high, max), 'y', true);
  const bottom = chart.valToPos(Math.max(low, min), 'y', true);
  if (!(bottom > top)) return;
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.fillStyle = colourOf('healthy', theme());
  ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  ctx.restore();
}

function drawMoment(chart: uPlot, { moment, theme }: ChartSource): void {
  const step = moment();
  if (step === null) return;
  const { ctx, bbox } = chart;
  const x = chart.valToPos(step, 'x', true);
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = colourOf('ink', theme());
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

/** The chart as a picture with its title, on the paper it lies on. */
export function chartPicture(drawn: HTMLCanvasElement, title: string, theme: string): Promise<Blob | null> {
  const scale = devicePixelRatio;
  const picture = document.createElement('canvas');
  picture.width = drawn.width + 32 * scale;
  picture.height = drawn.height + 56 * scale;
  const ctx = picture.getContext('2d');
  if (!ctx) return Promise.resolve(null);
  ctx.fillStyle = colourOf('paper', theme);
  ctx.fillRect(0, 0, picture.width, picture.height);
  ctx.fillStyle = colourOf('ink', theme);
  ctx.font = `600 ${15 * scale}px system-ui, sans-serif`;
  ctx.fillText(title, 16 * scale, 28 * scale, drawn.width);
  ctx.drawImage(drawn, 16 * scale, 40 * scale);
  return new Promise((done) => picture.toBlob(done));
}
