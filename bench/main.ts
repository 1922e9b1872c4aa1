// `npm run bench`: the playground beside its peers, everyone taking turns in one run; writes JSON and Markdown with the
// adapter's name to bench/results/. Peers are installed, without their scripts, when they are first asked for.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { PlaygroundError } from '../src/shared/errors.ts';
import { choice, optional, parseArguments, toggle, type Flag } from '../tools/arguments.ts';
import { reportError } from '../tools/cli.ts';
import type { Measurement } from './measurement.ts';
import { peerNames, plan, type Entry, type Name, type Peer, type Scale } from './plan.ts';
import { race } from './race.ts';
import { json, markdown } from './report.ts';
import { openBrowser, openNode, type Seat } from './seats.ts';

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
    only: optional('kinds or groups of workloads, such as sft,ppo,growth'),
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

  const load = loadavg()[0] ?? 0;
  const names: Name[] = ['ours', ...against];
  const hall = host === 'node' ? openNode() : await openBrowser(backend);
  const all: Measurement[] = [];
  const seats = new Map<Name, Seat>();
  try {
    let adapter = '';
    for (const name of names) {
      const seat = await hall.seat();
      const opened = String(await seat.ask({ do: 'open', name, backend }));
      console.error(`${name}: ${opened}`);
      adapter ||= opened;
      seats.set(name, seat);
    }
    const scale = quick ? 'quick' : scaleOf(backend, adapter);
    const wanted = ({ kind, group }: Entry) =>
      only === null || group === 'ceiling' || only.split(',').some((w) => w === kind || w === group);
    for (const entry of plan({ scale, backend, names, long }).filter(wanted)) {
      const begun = performance.now();
      console.error(entry.label);
      all.push({ entry, results: await race(entry, seats) });
      console.error(`  ${((performance.now() - begun) / 1000).toFixed(0)} s in all`);
    }
    const about = {
      date: new Date().toISOString().slice(0, 10),
      backend,
      adapter,
      host: hall.version,
      machine: `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} processors`,
      scale,
      load,
    };
    write(quick ? 'build/bench' : 'bench/results', `${backend}-${host}-${scale}-${about.date}`, {
      md: `${markdown(about, all)}\n`,
      json: `${json(about, all)}\n`,
    });
  } finally {
    for (const seat of seats.values()) await seat.close();
    await hall.close();
  }
}

function write(folder: string, name: string, texts: { md: string; json: string }): void {
  mkdirSync(folder, { recursive: true });
  for (const [ending, text] of Object.entries(texts)) writeFileSync(`${folder}/${name}.${ending}`, text);
  console.log(`${texts.md}\nWritten to ${folder}/${name}.md and .json.`);
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
