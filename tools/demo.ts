// `npm run demo`: the default experiment, headless, for one seed or several; prints the tables and names each line of
// its promise that was missed.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { missedExpectations } from '../src/experiment/expectations.ts';
import type { Report } from '../src/shared/protocol.ts';
import { choice, number, parseArguments, toggle } from './arguments.ts';
import { run } from './commands/run.ts';
import { root } from './once.mjs';
import { backends, hosts } from './session.ts';

const command = {
  positional: null,
  flags: {
    quick: toggle,
    seeds: number(1, { min: 1, max: 100, integer: true }),
    backend: choice(backends, 'auto'),
    host: choice(hosts, 'chromium'),
  },
};

/** The missed lines of a finished run's directory. */
function missedIn(directory: string): string[] {
  return missedExpectations(JSON.parse(readFileSync(join(directory, 'report.json'), 'utf8')) as Report);
}

/** Exit code 1 names each line that was missed, with its seed. */
export async function demo(args: readonly string[]): Promise<number> {
  const { values } = parseArguments('demo', command, args);
  const name = values.quick ? 'kind-endings-quick' : 'kind-endings';
  const missed: string[] = [];
  for (let seed = 1; seed <= values.seeds; seed++) {
    const out = join(root, 'build/demo', name, `seed-${seed}`);
    rmSync(out, { recursive: true, force: true });
    console.error(`seed ${seed} of ${values.seeds}, results in ${out}`);
    const experiment = join(root, 'experiments', `${name}.json`);
    const finished = await run({ ...values, experiment, out, seed, killAt: null, resume: false });
    const lines = finished ? missedIn(out) : ['the run did not finish'];
    missed.push(...lines.map((line) => `seed ${seed}: ${line}`));
  }
  console.log(missed.length === 0 ? 'Every line of the demo held.' : `Missed:\n${missed.join('\n')}`);
  return missed.length === 0 ? 0 : 1;
}
