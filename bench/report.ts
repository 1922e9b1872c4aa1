// What was measured as JSON and as Markdown tables: medians with their spread, rates, what was dispatched and held, the
// share of the device's ceiling that was reached, and what was asked for.

import { demand, tokensOf } from './flops.ts';
import { heldAgainstGoals } from './goals.ts';
import { ceilingOf, extrapolate, of, type Ceiling, type Measurement } from './measurement.ts';
import { notes, peerNames, repeats, type Entry, type Name, type Scale } from './plan.ts';
import { counted, median, typical } from './race.ts';
import { table } from './table.ts';

export interface About {
  date: string;
  backend: string;
  adapter: string;
  host: string;
  machine: string;
  scale: Scale;
  /** Load of the machine by other work, before. */
  load: number;
}

const fixed = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function cells(measurement: Measurement, name: Name, ceiling: Ceiling): string[] {
  const { entry, results } = measurement;
  const result = results.get(name);
  if (!result || 'error' in result) return [entry.label, name, result?.error ?? 'not run'];
  const runs = counted(result);
  const times = runs.map(({ milliseconds }) => milliseconds);
  const ms = typical(result);
  const ours = of(measurement, 'ours');
  const { flops, bytes } = demand(entry);
  const tokens = tokensOf(entry);
  const once = result.samples.length === 0 ? ', first run only' : '';
  return [
    entry.label,
    name,
    `${fixed(ms)} (${fixed(Math.min(...times))} – ${fixed(Math.max(...times))}, ${times.length}${once})`,
    ours && name !== 'ours' ? `${fixed(ms / typical(ours))} ×` : '',
    tokens > 0 ? fixed((1000 * tokens) / ms) : '',
    String(median(runs.map(({ dispatches }) => dispatches))),
    (Math.max(...runs.map(({ allocatedBytes }) => allocatedBytes)) / 2 ** 20).toFixed(0),
    flops > 0 && ceiling.gflops > 0 ? percent(flops / (1e6 * ms) / ceiling.gflops) : '',
    bytes > 0 && ceiling.gbytes > 0 ? percent(bytes / (1e6 * ms) / ceiling.gbytes) : '',
    fixed(result.first.milliseconds),
    result.difference === null || name === 'ours' ? '' : result.difference.toExponential(0),
  ];
}

const head = [
  'workload',
  'who',
  'ms: median (least – most, runs)',
  'time of ours',
  'tokens/s',
  'dispatches',
  'MB',
  'of matmul',
  'of copy',
  'first ms',
  'differs by',
];

function ceilingRows(all: readonly Measurement[]): string[][] {
  return all.flatMap((measurement) =>
    measurement.entry.who.map((name) => {
      const measured = of(measurement, name);
      const { flops, bytes } = demand(measurement.entry);
      const copy = measurement.entry.kind === 'copy';
      const rate = measured && (copy ? bytes : flops) / (1e6 * typical(measured));
      return [measurement.entry.label, name, rate ? `${fixed(rate)} ${copy ? 'GB/s' : 'GFLOP/s'}` : 'failed'];
    }),
  );
}

function extrapolatedRows(all: readonly Measurement[], ceiling: Ceiling): string[][] {
  const names = new Set(all.flatMap(({ entry }) => entry.who));
  return [...names].flatMap((name) => {
    const found = extrapolate(all, name);
    if (!found) return [];
    const { ms, block, flops, tokens } = found;
    return [
      [
        name,
        fixed(ms),
        fixed(block),
        fixed((1000 * tokens) / ms),
        percent(flops / (1e6 * ms) / ceiling.gflops),
      ],
    ];
  });
}

export function markdown(about: About, all: readonly Measurement[]): string {
  const grouped = (group: Entry['group']) => all.filter(({ entry }) => entry.group === group);
  const ceiling = ceilingOf(all);
  const rows = (group: Entry['group']) =>
    grouped(group).flatMap((measurement) =>
      measurement.entry.who.map((name) => cells(measurement, name, ceiling)),
    );
  const section = (title: string, columns: string[], body: string[][]): string[] =>
    body.length > 0 ? [`## ${title}`, table(columns, body)] : [];
  const present = peerNames.filter((peer) => all.some(({ entry }) => entry.who.includes(peer)));
  return [
    `# ${about.backend}, ${about.adapter}, ${about.date}`,
    `${about.host}; ${about.machine}, load ${about.load.toFixed(1)} before. Shapes for ${about.scale}. Everyone took turns in one run. Times end when the device is done; "first ms" holds what is done once (compiling); dispatches and bytes are counted in the same place for everyone; FLOPs and bytes in bench/flops.ts.`,
    present.map((peer) => `- ${peer}: ${notes[peer]}`).join('\n'),
    ...section('The device', ['what', 'who', `sustained over ${repeats}`], ceilingRows(grouped('ceiling'))),
    ...section('Workloads', head, rows('workloads')),
    ...section(
      'Held against what was asked',
      ['what', 'measured', 'asked', ''],
      heldAgainstGoals(all, about.scale),
    ),
    ...section('Blocks of gpt-neo-125m', head, rows('block')),
    ...section(
      'gpt-neo-125m, 12 blocks: extrapolated from the two above, not run',
      ['who', 'ms', 'of which a block', 'tokens/s', 'of matmul'],
      extrapolatedRows(all, ceiling),
    ),
    ...section('Growth', head, rows('growth')),
  ].join('\n\n');
}

export function json(about: About, all: readonly Measurement[]): string {
  const measurements = all.map(({ entry, results }) => ({
    ...entry,
    ...demand(entry),
    results: Object.fromEntries(results),
  }));
  return JSON.stringify({ ...about, measurements }, null, 1);
}
