// What each script of package.json does, once tools/bootstrap.mjs has seen to the packages and bundled this file.
import { spawnSync } from 'node:child_process';
import { parseArguments, number, toggle } from './arguments.ts';
import { buildKernels } from './build-kernels.mjs';
import { cli, reportError } from './cli.ts';
import { demo } from './demo.ts';
import { learns } from './learns.ts';
import { root } from './once.mjs';
import { buildSite, start } from './site.ts';
import { runners, runSteps } from './test.ts';

/** Runs a script of Node's with the person's terminal; its exit code. */
function runNode(script: string, args: readonly string[]): number {
  return spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' }).status ?? 1;
}

const startFlags = {
  positional: null,
  flags: { port: number(4173, { min: 0, max: 65535, integer: true }), 'no-open': toggle },
};

async function startSite(args: readonly string[]): Promise<void> {
  const { values } = parseArguments('start', startFlags, args);
  await start(values.port, !values['no-open']);
}

const tasks: Record<string, (args: readonly string[]) => unknown> = {
  start: startSite,
  preview: startSite,
  dev: async (args) => {
    await buildKernels();
    return runNode('node_modules/vite/bin/vite.js', args);
  },
  build: buildSite,
  test: () => runSteps(),
  'test:unit': (args) => runSteps(runners.unit, args),
  'test:browser': (args) => runSteps(runners.browser, args),
  'test:gpu': (args) => runSteps(runners.gpu, args),
  'test:e2e': (args) => runSteps(runners.e2e, args),
  bench: (args) => runNode('bench/run.mjs', args),
  demo,
  learns,
  cli,
};

/** Runs a task; its number, if it gives one, is the exit code. */
export async function main(name: string, args: readonly string[]): Promise<void> {
  try {
    const task = tasks[name];
    if (!task) throw new Error(`tools/main.ts knows no task "${name}"`);
    const code = await task(args);
    if (typeof code === 'number') process.exitCode = code;
  } catch (error) {
    process.exitCode = reportError(error);
  }
}
