import { describe, expect, test } from 'vitest';
import { PlaygroundError } from '../src/shared/errors.ts';
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

const command = {
  positional: 'DIR',
  flags: {
    out: required('a directory'),
    adapter: optional('a directory'),
    seed: number(0, { min: 0, max: 4294967295, integer: true }),
    'top-p': number(1, { min: 0, max: 1 }),
    backend: choice(['auto', 'wasm'], 'auto'),
    resume: toggle,
  },
} satisfies Command;

const parse = (line: string) => parseArguments('try', command, line.split(' '));

function refusal(line: string): string {
  try {
    parse(line);
  } catch (error) {
    if (error instanceof PlaygroundError) return `${error.code}: ${error.message} ${error.fix}`;
  }
  return 'accepted';
}

describe('what is accepted', () => {
  test('defaults fill in what is not given', () => {
    expect(parse('here --out there')).toEqual({
      positional: 'here',
      values: { out: 'there', adapter: null, seed: 0, 'top-p': 1, backend: 'auto', resume: false },
    });
  });

  test('flags in any order, with a space or an equals sign', () => {
    const { positional, values } = parse('--top-p=0.9 --resume here --seed 7 --out=a=b --backend wasm');
    expect(positional).toBe('here');
    expect(values).toMatchObject({ out: 'a=b', seed: 7, 'top-p': 0.9, backend: 'wasm', resume: true });
  });
});

describe('what is refused, with what it may be', () => {
  test.each([
    ['here', '--out is missing. Usage: try DIR --out <a directory>'],
    ['--out there', 'DIR is missing'],
    ['here two --out there', '"two" is one argument too many'],
    ['here --out there --seeed 1', 'no option --seeed. Did you mean --seed?'],
    ['here --out there --xyzzyx 1', 'It may be one of: --out, --adapter'],
    ['here --out there --seed 1 --seed 2', '--seed is given twice'],
    ['here --out there --seed', '--seed has no value'],
    ['here --out --resume', '--out has no value'],
    ['here --out there --seed -1', '--seed is "-1". It may be a whole number from 0 to 4294967295'],
    ['here --out there --seed 1.5', '--seed is "1.5"'],
    ['here --out there --seed 0x10', '--seed is "0x10"'],
    ['here --out there --top-p 1.1', 'a number from 0 to 1'],
    ['here --out there --top-p NaN', '--top-p is "NaN"'],
    ['here --out there --backend cuda', '--backend is "cuda". It may be auto|wasm'],
    ['here --out there --resume=yes', '--resume takes no value'],
    ['here --out there --constructor x', 'no option --constructor'],
  ])('%s', (line, message) => {
    expect(refusal(line)).toContain(`bad-arguments: try`);
    expect(refusal(line)).toContain(message);
  });
});

test('usage shows what is optional', () => {
  expect(usage('try', command)).toContain('try DIR --out <a directory> [--adapter <a directory>]');
  expect(usage('try', command)).toContain('[--resume]');
});
