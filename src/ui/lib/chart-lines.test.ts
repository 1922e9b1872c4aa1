import { expect, test } from 'vitest';
import { chartCsv, linesOf } from './chart-lines';
import { MetricColumns } from './series';
import type { ChartPlan } from '../../shared/method';

const PLAN: ChartPlan = {
  title: 'Loss',
  series: [
    { key: 'loss', label: 'training', role: 'policy' },
    { key: 'eval_loss', label: 'held out', role: 'reference', dashed: true },
  ],
};

function columns(...rows: Record<string, number>[]): MetricColumns {
  const all = new MetricColumns();
  for (const row of rows) all.append({ stage: 'sft', step: row['step'] ?? 0, ...row });
  return all;
}

const own = columns({ step: 1, loss: 2 }, { step: 2, loss: 1, eval_loss: 1.5 });
const other = columns({ step: 2, loss: 3 }, { step: 4, loss: 0 });
const PLAIN = { smoothing: 0, hidden: new Set<string>(), log: false };

test('one run: a line a series, as measured', () => {
  const { steps, lines } = linesOf(PLAN, [own], PLAIN);
  expect(steps).toEqual([1, 2]);
  expect(lines.map(({ values }) => values)).toEqual([
    [2, 1],
    [null, 1.5],
  ]);
});

test('other runs lie over the same steps, each value at its own', () => {
  const { steps, lines } = linesOf(PLAN, [own, other], PLAIN);
  expect(steps).toEqual([1, 2, 4]);
  expect(lines.map(({ series, run, values }) => [series.key, run, values])).toEqual([
    ['loss', 0, [2, 1, null]],
    ['eval_loss', 0, [null, 1.5, null]],
    ['loss', 1, [null, 3, 0]],
  ]);
});

test('smoothing keeps what was measured as a ghost under it, of the run on show only', () => {
  const { lines } = linesOf(PLAN, [own, other], { ...PLAIN, smoothing: 0.5 });
  expect(lines.map(({ series, run, ghost }) => `${series.key} ${run} ${ghost}`)).toEqual([
    'loss 0 true',
    'loss 0 false',
    'eval_loss 0 true',
    'eval_loss 0 false',
    'loss 1 false',
  ]);
  expect(lines[0]?.values).toEqual([2, 1, null]);
  expect(lines[1]?.values[1]).toBeCloseTo(4 / 3, 12);
});

test('hidden series are left out, and a logarithmic axis has no 0', () => {
  expect(linesOf(PLAN, [own], { ...PLAIN, hidden: new Set(['loss']) }).lines).toHaveLength(1);
  const { lines } = linesOf(PLAN, [other], { ...PLAIN, log: true });
  expect(lines[0]?.values).toEqual([3, null]);
});

test('the table has every step and every run, and quotes what would break it', () => {
  const csv = chartCsv(PLAN, [
    { label: '', columns: own },
    { label: 'seed 2, again', columns: other },
  ]);
  expect(csv).toBe('step,loss,eval_loss,"loss (seed 2, again)"\n1,2,,\n2,1,1.5,3\n4,,,0\n');
});
