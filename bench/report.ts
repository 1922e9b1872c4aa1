// What was measured as JSON and as Markdown tables: medians with their spread, rates, what was dispatched and held, the
// share of the device's ceiling that was reached, and the lines of the plan that asked for a ratio.

import { demand, tokensOf } from './flops.ts';
import { asked, blockCounts, repeats, type Entry, type Name, type Scale } from './plan.ts';
import { counted, typical, type Measured, type Results } from './race.ts';
import { table } from './timing.ts';

export interface Measurement {
  entry: Entry;
  results: Results;
}

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

interface Ceiling {
  gflops: number;
  gbytes: number;
}

const fixed = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

const of = ({ results }: Measurement, name: Name): Measured | undefined => {
  const result = results.get(name);
  return result && 'first' in result ? result : undefined;
};

/** The best of everyone: what the device can be brought to do at all. */
function ceilingOf(all: readonly Measurement[]): Ceiling {
  const best = (kind: Entry['kind'], amount: (entry: Entry) => number): number =>
    Math.max(
      0,
      ...all
        .filter(({ entry }) => entry.kind === kind)
        .flatMap((measurement) =>
          measurement.entry.who.flatMap((name) => {
            const measured = of(measurement, name);
            return measured ? [amount(measurement.entry) / (1e6 * typical(measured))] : [];
          }),
        ),
    );
  return { gflops: best('matmul', (e) => demand(e).flops), gbytes: best('copy', (e) => demand(e).bytes) };
}

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
  const last = runs.at(-1)!;
  const once = result.samples.length === 0 ? ', first run only' : '';
  return [
    entry.label,
    name,
    `${fixed(ms)} (${fixed(Math.min(...times))} – ${fixed(Math.max(...times))}, ${times.length}${once})`,
    ours && name !== 'ours' ? `${fixed(ms / typical(ours))} ×` : '',
    tokens > 0 ? fixed((1000 * tokens) / ms) : '',
    String(last.dispatches),
    (last.allocatedBytes / 2 ** 20).toFixed(0),
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

/** Twelve blocks from one and two: t₁ + 11 (t₂ − t₁). */
function extrapolated(all: readonly Measurement[], ceiling: Ceiling): string[][] {
  const [one, two] = blockCounts.map((count) => all.find(({ entry }) => entry.model.num_layers === count));
  if (!one || !two) return [];
  const layers = 12;
  return one.entry.who.flatMap((name) => {
    const [first, second] = [of(one, name), of(two, name)];
    if (!first || !second) return [];
    const block = typical(second) - typical(first);
    const ms = typical(first) + (layers - 1) * block;
    const { flops } = demand({ ...one.entry, model: { ...one.entry.model, num_layers: layers } });
    const tokens = tokensOf(one.entry);
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

/** What the plan asked for, as it came out. */
function heldAgainst(all: readonly Measurement[], scale: Scale): string[] {
  return asked
    .filter((line) => line.scale === scale)
    .flatMap(({ kind, peer, atLeast }) => {
      const measurement = all.find(({ entry }) => entry.kind === kind && entry.group === 'workloads');
      const [ours, theirs] = measurement ? [of(measurement, 'ours'), of(measurement, peer)] : [];
      if (!measurement || !ours || !theirs) return [];
      const ratio = typical(theirs) / typical(ours);
      const verdict = ratio >= atLeast ? 'reached' : 'falls short';
      return [`- ${measurement.entry.label}: ${fixed(ratio)} × ${peer}; asked ≥ ${atLeast} ×, ${verdict}.`];
    });
}

export function markdown(about: About, all: readonly Measurement[]): string {
  const grouped = (group: Entry['group']) => all.filter(({ entry }) => entry.group === group);
  const ceiling = ceilingOf(grouped('ceiling'));
  const rows = (group: Entry['group']) =>
    grouped(group).flatMap((measurement) =>
      measurement.entry.who.map((name) => cells(measurement, name, ceiling)),
    );
  const section = (title: string, columns: string[], body: string[][]): string[] =>
    body.length > 0 ? [`## ${title}`, table(columns, body)] : [];
  const verdicts = heldAgainst(all, about.scale);
  return [
    `# ${about.backend}, ${about.adapter}, ${about.date}`,
    `${about.host}; ${about.machine}, load ${about.load.toFixed(1)} before. Shapes for ${about.scale}. Everyone took turns in one run. Times end when the device is done; "first ms" holds what is done once (compiling); dispatches and bytes are counted in the same place for everyone; FLOPs and bytes in bench/flops.ts.`,
    ...section('The device', ['what', 'who', `sustained over ${repeats}`], ceilingRows(grouped('ceiling'))),
    ...section('Workloads', head, rows('workloads')),
    ...(verdicts.length > 0 ? ['## Held against what was asked', verdicts.join('\n')] : []),
    ...section('Blocks of gpt-neo-125m', head, rows('block')),
    ...section(
      'gpt-neo-125m, 12 blocks: extrapolated from the two above, not run',
      ['who', 'ms', 'of which a block', 'tokens/s', 'of matmul'],
      extrapolated(grouped('block'), ceiling),
    ),
    ...section('Growth', head, rows('growth')),
  ].join('\n\n');
}

export function json(about: About, all: readonly Measurement[]): string {
  const measurements = all.map(({ entry: { who: _, seconds: __, ...entry }, results }) => ({
    ...entry,
    ...demand({ ...entry }),
    results: Object.fromEntries(results),
  }));
  return JSON.stringify({ ...about, measurements }, null, 1);
}
