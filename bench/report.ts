// What was measured as JSON and as Markdown tables: medians with their spread, rates, what was dispatched and held, the
// share of the device's ceiling that was reached, and what was asked for.

import { demand, tokensOf } from './flops.ts';
import { heldAgainstGoals } from './goals.ts';
import { ceilingOf, extrapolate, of, rateOf, shareOf, type Measurement } from './measurement.ts';
import { notes, peerNames, repeats, type Entry, type Name, type Scale } from './plan.ts';
import { median, typical, type Measured, type Failure } from './race.ts';
import { table } from './table.ts';

export interface About {
  date: string;
  backend: string;
  adapter: string;
  host: string;
  machine: string;
  scale: Scale;
  /** What each said of its device as it opened it, and its packages. */
  opened: Partial<Record<Name, string>>;
  versions: Partial<Record<Name, string>>;
}

const fixed = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function cells(measurement: Measurement, name: Name, gbytes: number | null): string[] {
  const { entry, results } = measurement;
  const result = results.get(name);
  if (!result || 'error' in result) {
    return [entry.label, name, `failed: ${result?.error ?? 'not run'}`, ...head.slice(3).map(() => '')];
  }
  const { samples: runs } = result;
  const times = runs.map(({ milliseconds }) => milliseconds);
  const ms = typical(result);
  const ours = of(measurement, 'ours');
  const { bytes } = demand(entry);
  const share = shareOf(measurement, name);
  const tokens = tokensOf(entry);
  return [
    entry.label,
    name,
    `${fixed(ms)} (${fixed(Math.min(...times))} – ${fixed(Math.max(...times))}, ${times.length})`,
    ours && name !== 'ours' ? `${fixed(ms / typical(ours))} ×` : '',
    tokens > 0 ? fixed((1000 * tokens) / ms) : '',
    String(median(runs.map(({ dispatches }) => dispatches))),
    (Math.max(...runs.map(({ allocatedBytes }) => allocatedBytes)) / 2 ** 20).toFixed(0),
    share === null ? '' : percent(share),
    bytes > 0 && gbytes !== null ? percent(bytes / (1e6 * ms) / gbytes) : '',
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
      const { label, kind } = measurement.entry;
      const rate = rateOf(measurement, name);
      const unit = kind === 'copy' ? 'GB/s' : 'GFLOP/s';
      return [label, name, rate === null ? 'failed' : `${fixed(rate)} ${unit}`];
    }),
  );
}

function extrapolatedRows(all: readonly Measurement[]): string[][] {
  const names = new Set(all.flatMap(({ entry }) => entry.who));
  return [...names].flatMap((name) => {
    const found = extrapolate(all, name);
    if (!found) return [];
    const { ms, block, share, tokens } = found;
    const reached = share === null ? '' : percent(share);
    return [[name, fixed(ms), fixed(block), fixed((1000 * tokens) / ms), reached]];
  });
}

/** Who took no part in what, and why; one row for each reason. */
function absentRows(all: readonly Measurement[]): string[][] {
  const kinds = new Map<string, Set<string>>();
  for (const { entry } of all) {
    for (const { name, why } of entry.absent) {
      const key = JSON.stringify([name, why]);
      kinds.set(
        key,
        (kinds.get(key) ?? new Set()).add(entry.group === 'workloads' ? entry.kind : entry.group),
      );
    }
  }
  return Array.from(kinds, ([key, of]) => {
    const [name, why] = JSON.parse(key) as [string, string];
    return [name, [...of].join(', '), why];
  });
}

/** From the first workload to the last. */
function when(all: readonly Measurement[]): string {
  const times = all.map(({ begun }) => begun.slice(11, 16)).sort();
  const loads = all.map(({ load }) => load);
  return `Begun ${times[0]} to ${times.at(-1)} UTC, at loads of ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)} (other work and this)`;
}

export function markdown(about: About, all: readonly Measurement[]): string {
  const grouped = (group: Entry['group']) => all.filter(({ entry }) => entry.group === group);
  const gbytes = ceilingOf(all, 'copy')?.rate ?? null;
  const rows = (group: Entry['group']) =>
    grouped(group).flatMap((measurement) =>
      measurement.entry.who.map((name) => cells(measurement, name, gbytes)),
    );
  const section = (title: string, columns: string[], body: string[][]): string[] =>
    body.length > 0 ? [`## ${title}`, table(columns, body)] : [];
  const present = peerNames.filter((peer) => all.some(({ entry }) => entry.who.includes(peer)));
  const seated = (['ours', ...present] as const).map((name) => [
    name,
    about.versions[name] ?? '',
    about.opened[name] ?? '',
    name === 'ours' ? 'the playground.' : notes[name],
  ]);
  return [
    `# ${about.backend}, ${about.adapter}, ${about.date}`,
    `${about.host}; ${about.machine}. ${when(all)}. Shapes for ${about.scale}. In each workload everyone took turns in one browser, each in a worker opened for it: ratios hold within a workload. Times end when the device is done; "first ms" holds what is done once (compiling); dispatches are those of a run, MB what was allocated after it, pools included, both counted in the same place for everyone; "differs by" is the largest relative difference of their numbers from ours, but for one row in 16 of a rollout; FLOPs and bytes in bench/flops.ts. "of matmul" is a run's FLOPs as a share of what the fastest product below does in its time, which took a turn before each round of the workload.`,
    ...section('Who', ['who', 'packages', 'device', 'what it is'], seated),
    ...section('Who took no part, and why', ['who', 'in', 'why'], absentRows(all)),
    ...section('The device', ['what', 'who', `sustained over ${repeats}`], ceilingRows(grouped('ceiling'))),
    ...section('Workloads', head, rows('workloads')),
    ...section(
      'Held against what was asked',
      ['on', 'what', 'measured', 'asked', ''],
      heldAgainstGoals(all, about.scale),
    ),
    ...section('Blocks of gpt-neo-125m', head, rows('block')),
    ...section(
      'gpt-neo-125m, 12 blocks: extrapolated from the two above, not run',
      ['who', 'ms', 'of which a block', 'tokens/s', 'of matmul'],
      extrapolatedRows(all),
    ),
    ...section('Growth', head, rows('growth')),
  ].join('\n\n');
}

export function toJson(about: About, all: readonly Measurement[]): string {
  const measurements = all.map(({ entry, results, ...rest }) => ({
    entry,
    demand: demand(entry),
    results: Object.fromEntries(results),
    ...rest,
  }));
  return JSON.stringify({ ...about, measurements }, null, 1);
}

type Written = Omit<Measurement, 'results'> & { results: Record<string, Measured | Failure> };

/**
 * The measurements of an earlier run of the same adapter and browser, by label; what it knew of those compared is added
 * to `about`.
 */
export function fromJson(text: string, about: About): Map<string, Measurement> {
  const earlier = JSON.parse(text) as About & { measurements: Written[] };
  if (earlier.adapter !== about.adapter || earlier.host !== about.host) return new Map();
  Object.assign(about.opened, { ...earlier.opened, ...about.opened });
  Object.assign(about.versions, { ...earlier.versions, ...about.versions });
  return new Map(
    earlier.measurements.map(({ entry, results, pace, begun, load }) => [
      entry.label,
      { entry, results: new Map(Object.entries(results)) as Measurement['results'], pace, begun, load },
    ]),
  );
}
