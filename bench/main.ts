// `npm run bench`: the playground beside its peers, everyone taking turns in one run; writes JSON and Markdown with the
// adapter's name to bench/results/ after every workload, and a later run of the same day puts its workloads in the place
// of those it takes again: `--only` does a long run in parts. Peers are installed, without their scripts, when they are
// first asked for.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { dirname } from 'node:path';
import { PlaygroundError } from '../src/shared/errors.ts';
import { choice, optional, parseArguments, toggle, type Flag } from '../tools/arguments.ts';
import { reportError } from '../tools/cli.ts';
import { demand } from './flops.ts';
import { ceilingOf, type Measurement } from './measurement.ts';
import { packages, peerNames, plan, type Entry, type Name, type Peer, type Scale } from './plan.ts';
import { race } from './race.ts';
import { fromJson, markdown, toJson, type About } from './report.ts';
import { openBrowser, openNode, type Seat } from './seats.ts';
import type { Sample } from './worker.ts';

const peers: Flag<readonly Peer[]> = {
  expects: `some of ${peerNames.join(',')}`,
  required: false,
  missing: ['plain'],
  read: (text) => {
    const names = text.split(',').map((word) => peerNames.find((name) => name === word));
    return names.every((name) => name !== undefined) ? names : undefined;
  },
};

const command = {
  positional: null,
  flags: {
    against: peers,
    backend: choice(['wasm', 'webgpu'], 'webgpu'),
    host: choice(['chromium', 'node'], 'chromium'),
    only: optional('kinds or groups of workloads, such as sft,ppo,growth,growth:sft'),
    quick: toggle,
    long: toggle,
  },
};

function installPeers(): void {
  if (existsSync('bench/peers/node_modules/.package-lock.json')) return;
  console.error(
    'Installing the peers that bench/peers/package-lock.json names, without their scripts (npm ci) …',
  );
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: 'bench/peers',
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  throw new PlaygroundError(
    'not-found',
    'The peers could not be installed.',
    'Use --against plain, or see above.',
  );
}

/** Which shapes a device can be asked for. */
function scaleOf(backend: 'wasm' | 'webgpu', adapter: string): Scale {
  if (backend === 'wasm') return 'wasm';
  return /swiftshader|llvmpipe|lavapipe|basic render/i.test(adapter) ? 'software' : 'hardware';
}

async function measure(given: readonly string[]): Promise<void> {
  const { against, backend, host, only, quick, long } = parseArguments('bench', command, given).values;
  if (host === 'node' && backend === 'wasm') {
    throw new PlaygroundError(
      'bad-arguments',
      'Under Node the benchmark runs on WebGPU.',
      'Leave --backend away.',
    );
  }
  const elsewhere = against.filter((name) => host === 'node' && name !== 'plain');
  if (elsewhere.length > 0) {
    throw new PlaygroundError(
      'bad-arguments',
      `${elsewhere.join(' and ')} need a browser.`,
      'Leave --host away.',
    );
  }
  if (against.some((name) => name !== 'plain')) installPeers();

  const names: Name[] = ['ours', ...against];
  const opened: About['opened'] = {};
  const hall = host === 'node' ? openNode() : await openBrowser(backend);
  const sit = async (name: Name) => {
    const seat = await hall.seat(name);
    try {
      opened[name] = String(await seat.ask({ do: 'open', name, backend }));
    } catch (error) {
      await seat.close();
      throw error;
    }
    return seat;
  };
  // What the device can do is measured in one seat; a workload has its own, as its memory is counted.
  const kept = new Map<Name, Seat>();
  const sitAgain = async (name: Name) => {
    const seat = kept.get(name) ?? { ...(await sit(name)), close: () => Promise.resolve() };
    kept.set(name, seat);
    return seat;
  };
  try {
    await sitAgain('ours');
    const adapter = opened.ours ?? '';
    const scale = quick ? 'quick' : scaleOf(backend, adapter);
    const about: About = {
      date: new Date().toISOString().slice(0, 10),
      backend,
      adapter,
      host: hall.version,
      machine: `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} processors`,
      scale,
      opened,
      versions: Object.fromEntries(names.map((name) => [name, versionOf(name)])),
    };
    const place = `bench/results/${backend}-${host}-${scale}-${about.date}`;
    // A kind alone is that of the common workloads, since whole curves of it take their time.
    const wanted = ({ kind, group }: Entry) => {
      const words = [
        group,
        `${group}:${kind}`,
        ...(group === 'workloads' || group === 'ceiling' ? [kind] : []),
      ];
      return only === null || only.split(',').some((word) => words.includes(word));
    };
    const entries = plan({ scale, backend, names, long }).filter(wanted);
    if (entries.length === 0) {
      throw new PlaygroundError(
        'bad-arguments',
        `No workload here is of the kind or group "${only}".`,
        'Kinds: sft, ppo, rollout, decode, load, matmul, copy. Groups: workloads, block, growth, ceiling. One of a group: growth:sft.',
      );
    }
    const all = earlier(place, about);
    let product: (() => Promise<number>) | null = null;
    for (const entry of entries) {
      const begun = new Date();
      const load = loadavg()[0] ?? 0;
      console.error(entry.label);
      const ceiling = entry.group === 'ceiling';
      if (!ceiling) product ??= await fastestProduct([...all.values()], sitAgain);
      const raced = await race(entry, ceiling ? sitAgain : sit, ceiling ? null : product);
      console.error(`  ${((Date.now() - begun.getTime()) / 1000).toFixed(0)} s in all`);
      all.set(entry.label, { entry, ...raced, begun: begun.toISOString(), load });
      write(place, about, [...all.values()]);
    }
    console.log(`${readFileSync(`${place}.md`, 'utf8')}\nWritten to ${place}.md and .json.`);
  } finally {
    await hall.close();
  }
}

function versionOf(name: Name): string {
  const { folder, names } = packages[name];
  const versions = names.map((of) => {
    const { version } = JSON.parse(readFileSync(`${folder}/${of}/package.json`, 'utf8')) as {
      version: string;
    };
    return `${of} ${version}`;
  });
  return versions.join(', ');
}

/** The product that makes the ceiling of what was measured, ready for its turns, in GFLOP/s; null where none was. */
async function fastestProduct(
  all: readonly Measurement[],
  sit: (name: Name) => Promise<Seat>,
): Promise<(() => Promise<number>) | null> {
  const ceiling = ceilingOf(all, 'matmul');
  if (!ceiling) return null;
  const seat = await sit(ceiling.name);
  await seat.ask({ do: 'prepare', work: ceiling.entry });
  const { flops } = demand(ceiling.entry);
  return async () => {
    // The best of three in a row: the first may still find the caches of another.
    const times: number[] = [];
    while (times.length < 3) times.push(((await seat.ask({ do: 'run' })) as Sample).milliseconds);
    return flops / (1e6 * Math.min(...times));
  };
}

/** What is there already, by another run of the day, by label. */
function earlier(place: string, about: About): Map<string, Measurement> {
  if (!existsSync(`${place}.json`)) return new Map();
  return fromJson(readFileSync(`${place}.json`, 'utf8'), about);
}

function write(place: string, about: About, all: readonly Measurement[]): void {
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(`${place}.json`, `${toJson(about, all)}\n`);
  writeFileSync(`${place}.md`, `${markdown(about, all)}\n`);
}

/** The exit code. */
export async function bench(given: readonly string[]): Promise<number> {
  try {
    await measure(given);
    return 0;
  } catch (error) {
    return reportError(error);
  }
}
