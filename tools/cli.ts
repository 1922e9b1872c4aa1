// The command line: which commands there are, what each takes, and the exit codes. 0: done and every check held; 1: it
// ran and a check or the run failed; 2: the arguments or the input are wrong.
import { PlaygroundError, toPlainError, type ErrorCode } from '../src/shared/errors.ts';
import { QUANTIZATIONS } from '../src/shared/experiment.ts';
import { nearest } from '../src/shared/nearest.ts';
import { experimentSchema } from '../src/shared/schema.ts';
import {
  choice,
  number,
  optional,
  parseArguments,
  required,
  toggle,
  usage,
  type Command,
} from './arguments.ts';
import { compareLora, rates } from './commands/compare-lora.ts';
import { lendExperiment, readExperiment } from './commands/experiment.ts';
import { generateOptions } from './commands/generate.ts';
import { golden } from './commands/golden.ts';
import { makeModel, presetNames } from './commands/make-model.ts';
import { memory } from './commands/memory.ts';
import { record } from './commands/record.ts';
import { rows } from './commands/rows.ts';
import { run } from './commands/run.ts';
import { backends, hosts } from './session.ts';

const seed = { min: 0, max: 4294967295, integer: true };
const count = (min: number) => ({ min, max: Infinity, integer: true });

const computing = { backend: choice(backends, 'auto'), host: choice(hosts, 'chromium') };
const rowFlags = {
  model: required('bundled:NAME, hf:OWNER/NAME[@revision] or a directory'),
  adapter: optional('a directory in PEFT layout'),
  data: required('a JSONL file'),
  out: required('the JSONL file to write'),
  quantization: choice(QUANTIZATIONS, 'none'),
  ...computing,
};

const commands = {
  score: { positional: null, flags: rowFlags },
  generate: {
    positional: null,
    flags: {
      ...rowFlags,
      n: number(1, count(1)),
      'max-new-tokens': number(64, count(1)),
      'min-new-tokens': number(0, count(0)),
      temperature: number(1, { min: 0, max: Infinity }),
      'top-k': number(0, count(0)),
      'top-p': number(1, { min: 0, max: 1 }),
      seed: number(0, seed),
    },
  },
  golden: {
    positional: 'DIR',
    flags: computing,
  },
  run: {
    positional: 'EXPERIMENT.json',
    flags: {
      out: required('a directory'),
      seed: number(null, seed),
      'kill-at': optional('STAGE:STEP'),
      resume: toggle,
      ...computing,
    },
  },
  'compare-lora': {
    positional: 'EXPERIMENT.json',
    flags: {
      out: required('a directory'),
      seed: number(null, seed),
      steps: number(null, count(1)),
      'learning-rates': rates,
      ...computing,
    },
  },
  record: {
    positional: 'EXPERIMENT.json',
    flags: {
      out: optional('a directory'),
      from: optional('the directory of a finished run'),
      seed: number(null, seed),
      resume: toggle,
      ...computing,
    },
  },
  validate: { positional: 'FILE', flags: {} },
  schema: { positional: null, flags: {} },
  memory: { positional: 'EXPERIMENT.json', flags: { longest: number(null, count(1)) } },
  'make-model': {
    positional: null,
    flags: { preset: choice(presetNames), out: required('a directory'), seed: number(0, seed) },
  },
} satisfies Record<string, Command>;

type Name = keyof typeof commands;

/** Runs one command; true if every check held. */
const runners: Record<Name, (given: readonly string[]) => Promise<boolean>> = {
  score: async (given) => {
    const { values } = parseArguments('score', commands.score, given);
    await rows(values, (common) => ({ type: 'score', ...common }));
    return true;
  },
  generate: async (given) => {
    const { values } = parseArguments('generate', commands.generate, given);
    const options = generateOptions(values);
    await rows(values, (common) => ({ type: 'generateRows', ...common, n: values.n, options }));
    return true;
  },
  golden: (given) => {
    const { positional, values } = parseArguments('golden', commands.golden, given);
    return golden(positional, values);
  },
  run: (given) => {
    const { positional, values } = parseArguments('run', commands.run, given);
    return run({ ...values, experiment: positional, killAt: values['kill-at'] });
  },
  'compare-lora': (given) => {
    const { positional, values } = parseArguments('compare-lora', commands['compare-lora'], given);
    return compareLora({ ...values, experiment: positional, rates: values['learning-rates'] });
  },
  record: (given) => {
    const { positional, values } = parseArguments('record', commands.record, given);
    return record({ ...values, experiment: positional, out: values.out ?? 'recorded' });
  },
  validate: async (given) => {
    const { positional } = parseArguments('validate', commands.validate, given);
    const { experiment } = lendExperiment(readExperiment(positional), positional);
    console.log(`${positional} is a valid experiment with ${experiment.stages.length} stages.`);
    return Promise.resolve(true);
  },
  schema: async (given) => {
    parseArguments('schema', commands.schema, given);
    console.log(JSON.stringify(experimentSchema(), null, 2));
    return Promise.resolve(true);
  },
  memory: async (given) => {
    const { positional, values } = parseArguments('memory', commands.memory, given);
    memory(positional, values.longest);
    return Promise.resolve(true);
  },
  'make-model': async (given) => {
    const { values } = parseArguments('make-model', commands['make-model'], given);
    await makeModel(values);
    return true;
  },
};

/** Faults of what the person gave, as against faults while running. */
const inputCodes: readonly ErrorCode[] = [
  'bad-arguments',
  'bad-experiment',
  'bad-data',
  'bad-model',
  'bad-tokenizer',
  'bad-adapter',
  'bad-weights',
  'bad-recording',
  'bad-checkpoint',
  'too-long',
  'not-found',
];

/** Prints an error for a person and says the exit code that belongs to it. */
export function reportError(error: unknown): number {
  const { code, message, fix } = toPlainError(error);
  console.error(`error: ${message}\n${fix}`);
  if (error instanceof Error && !(error instanceof PlaygroundError)) console.error(error.stack);
  return inputCodes.includes(code) ? 2 : 1;
}

const isCommand = (name: string): name is Name => Object.hasOwn(commands, name);

/** `npm run -s cli -- NAME …`; the exit code. */
export async function cli([name, ...given]: readonly string[]): Promise<number> {
  try {
    if (name === undefined || name === 'help' || name === '--help') {
      const lines = Object.entries(commands).map(([name, command]) => `  ${usage(name, command)}`);
      console.log(['Usage: npm run -s cli -- COMMAND …', ...lines].join('\n'));
      return name === undefined ? 2 : 0;
    }
    if (!isCommand(name)) {
      const near = nearest(name, Object.keys(commands));
      throw new PlaygroundError(
        'bad-arguments',
        `There is no command "${name}".`,
        near === null ? `It may be one of: ${Object.keys(commands).join(', ')}.` : `Did you mean "${near}"?`,
      );
    }
    if (given.includes('--help')) {
      console.log(`Usage: npm run -s cli -- ${usage(name, commands[name])}`);
      return 0;
    }
    return (await runners[name](given)) ? 0 : 1;
  } catch (error) {
    return reportError(error);
  }
}
