// `npm run learns`: does each method learn? Every method with its default settings on a task, over some seeds, and a table
// of where it came to, written as JSON and Markdown with its seeds. `token` is a task of one token whose best probability
// is known exactly; `endings` the default experiment, whose SFT and reward model all methods of a seed share.
import { join } from 'node:path';
import { parseObject } from '../src/model/json.ts';
import { PlaygroundError } from '../src/shared/errors.ts';
import { choices, METHODS, type StageKind } from '../src/shared/methods.ts';
import { choice, number, optional, parseArguments, toggle, type Flag } from './arguments.ts';
import { readInput, writeOutput } from './files.ts';
import { endings } from './learns/endings.ts';
import { joined, markdown, type Learned } from './learns/table.ts';
import { token } from './learns/token.ts';
import { root } from './once.mjs';
import { backends, hosts } from './session.ts';

/** What is compared: every method that learns from preferences or rewards. */
const comparable = choices();

const methods: Flag<readonly StageKind[]> = {
  expects: `some of ${comparable.join(',')}`,
  required: false,
  missing: comparable,
  read: (text) => {
    const named = text.split(',').map((word) => comparable.find((kind) => kind === word));
    return named.every((kind) => kind !== undefined) ? named : undefined;
  },
};

const command = {
  positional: null,
  flags: {
    task: choice(['token', 'endings'], 'token'),
    seeds: number(5, { min: 1, max: 100, integer: true }),
    only: methods,
    add: optional('JSON that this command wrote'),
    quick: toggle,
    backend: choice(backends, 'auto'),
    host: choice(hosts, 'chromium'),
  },
};

/** Throws `not-found`, `bad-arguments`. */
function readTable(path: string): Learned {
  const table = parseObject(readInput(path));
  if (Array.isArray(table?.['seeds']) && Array.isArray(table['rows'])) return table as unknown as Learned;
  throw new PlaygroundError(
    'bad-arguments',
    `learns: ${path} is no table of this command.`,
    'Name the JSON that it wrote.',
  );
}

/** A table of all methods goes to bench/results, one of some or a quick one to build/learns. Seeds that the table to `add`
 *  to has already are taken from there. */
export async function learns(args: readonly string[]): Promise<void> {
  const { values } = parseArguments('learns', command, args);
  const { task, quick, only: kinds, add, backend, host } = values;
  const before = add === null ? null : readTable(add);
  const seeds = Array.from({ length: values.seeds }, (_, i) => i + 1).filter(
    (seed) => !before?.seeds.includes(seed),
  );
  if (seeds.length === 0) {
    throw new PlaygroundError(
      'bad-arguments',
      `learns: ${add ?? ''} has all of the ${values.seeds} seeds already.`,
      'Ask for more of them with --seeds.',
    );
  }
  const folder = join(root, 'build/learns', quick ? `${task}-quick` : task);
  const found = await { token, endings }[task]({ kinds, seeds, folder, quick, backend, host });
  const learned = before ? joined(before, found) : found;
  const whole = kinds.length === comparable.length && !quick;
  const out = join(root, whole ? 'bench/results' : 'build/learns', `learns-${task}-${found.date}`);
  writeOutput(`${out}.json`, `${JSON.stringify(learned, null, 2)}\n`);
  writeOutput(
    `${out}.md`,
    markdown(learned, (kind) => METHODS[kind].label),
  );
  console.log(markdown(learned, (kind) => METHODS[kind].label));
  console.error(`wrote ${out}.json and .md`);
}
