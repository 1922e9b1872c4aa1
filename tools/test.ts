// `npm test`: the steps in order, stopping where one fails, and one line at the end that sums the tests of all runners. A
// step that is no test runner counts as one failure when it fails.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './once.mjs';

interface Counts {
  passed: number;
  failed: number;
}

interface Step {
  name: string;
  command: string;
  /** Reads the counts from the runner's report; absent for steps that run no tests. */
  counts?: (report: unknown) => Counts;
  env?: Record<string, string>;
}

const reports = 'build/reports';

function vitest(project: string, only = ''): Step {
  const file = `${reports}/${project}.json`;
  const reporters = `--reporter default --reporter json --outputFile.json ${file}`;
  return {
    name: project,
    command: `npx vitest run --project ${project} ${reporters} ${only}`,
    counts: (report) => {
      const { numPassedTests, numTotalTests, numPendingTests, numTodoTests } = report as Record<
        string,
        number
      >;
      return {
        passed: numPassedTests ?? 0,
        failed: (numTotalTests ?? 0) - (numPassedTests ?? 0) - (numPendingTests ?? 0) - (numTodoTests ?? 0),
      };
    },
  };
}

function endToEnd(project: string): Step {
  const name = `e2e-${project}`;
  return {
    name,
    command: `npx playwright test --project ${project} --reporter=list,json`,
    env: { PLAYWRIGHT_JSON_OUTPUT_NAME: `${reports}/${name}.json` },
    counts: (report) => {
      const { stats } = report as { stats: { expected: number; unexpected: number; flaky: number } };
      return { passed: stats.expected, failed: stats.unexpected + stats.flaky };
    },
  };
}

/** Steps in the order of rows; those of a row run side by side. */
type Steps = readonly (readonly Step[])[];

/** The runners of tests by the name of their script. */
export const runners = {
  unit: [[vitest('unit')]],
  browser: [[vitest('engine'), vitest('browser')]],
  gpu: [[vitest('gpu')]],
  e2e: [[endToEnd('page')], [endToEnd('alone')]],
};

const everything: Steps = [
  // None of them keeps more than one core busy.
  [
    { name: 'lint', command: 'npm run eslint' },
    { name: 'check', command: 'npm run check' },
    { name: 'format and unused', command: 'npm run format:check && npx knip' },
    { name: 'build and size', command: 'npm run build && npm run size' },
  ],
  ...runners.unit,
  ...runners.browser,
  // The others are of the browser's already.
  [vitest('gpu', 'tests/kernels-webgpu.browser.test.ts')],
  ...runners.e2e,
];

/** Runs one step; what it counted. What it prints comes as it is printed, or, beside other steps, whole when it has ended. */
async function runStep(step: Step, extra: readonly string[], alone: boolean): Promise<Counts> {
  const { name, command, counts, env } = step;
  const report = join(root, reports, `${name}.json`);
  rmSync(report, { force: true });
  if (alone) console.log(`\n== ${name}`);
  const child = spawn([command, ...extra].join(' '), {
    cwd: root,
    stdio: alone ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    shell: true,
    env: { ...process.env, FORCE_COLOR: '0', VITE_CONFIG_NATIVE_IGNORE_WARNING: 'true', ...env },
  });
  const printed: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (some: Buffer) => void printed.push(some));
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (!alone) console.log(`\n== ${name}\n${Buffer.concat(printed).toString()}`);
  if (!counts) return { passed: 0, failed: status === 0 ? 0 : 1 };
  try {
    const found = counts(JSON.parse(readFileSync(report, 'utf8')));
    return { ...found, failed: status === 0 ? found.failed : Math.max(found.failed, 1) };
  } catch {
    console.error(`${name} wrote no report.`);
    return { passed: 0, failed: 1 };
  }
}

/** Runs the rows until a step fails and prints the sum; the exit code. */
export async function runSteps(rows: Steps = everything, extra: readonly string[] = []): Promise<number> {
  mkdirSync(join(root, reports), { recursive: true });
  const sum: Counts = { passed: 0, failed: 0 };
  // What is asked for may be tests of one runner only; without that, one that finds none has lost them.
  const asked = extra.length > 0 ? [...extra, '--pass-with-no-tests'] : [];
  for (const steps of rows) {
    const counted = await Promise.all(steps.map((step) => runStep(step, asked, steps.length === 1)));
    for (const { passed, failed } of counted) {
      sum.passed += passed;
      sum.failed += failed;
    }
    if (sum.failed > 0) break;
  }
  console.log(`\n${sum.passed} passed, ${sum.failed} failed`);
  // A filter that finds no test says nothing of any.
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
}
