// Strict command-line arguments: every flag has a kind, a range and a default, and whatever does not fit is refused
// with what it is, where, and what it may be. Nothing is guessed.
import { PlaygroundError } from '../src/shared/errors.ts';
import { nearest } from '../src/shared/nearest.ts';

export interface Flag<T> {
  /** What may stand after the flag, for messages and usage; null for a switch. */
  expects: string | null;
  required: boolean;
  missing: T;
  /** The value, or undefined if the text is not one. */
  read: (text: string) => T | undefined;
}

type Flags = Record<string, Flag<unknown>>;
type Values<F extends Flags> = { [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

export interface Command<F extends Flags = Flags> {
  /** The name of the one positional argument, if the command takes one. */
  positional: string | null;
  flags: F;
}

/** A flag that must be given. */
export const required = (expects: string): Flag<string> => ({
  expects,
  required: true,
  missing: '',
  read: (text) => text || undefined,
});

export const optional = (expects: string): Flag<string | null> => ({
  expects,
  required: false,
  missing: null,
  read: (text) => text || undefined,
});

export const toggle: Flag<boolean> = { expects: null, required: false, missing: false, read: () => true };

/** One of some names; must be given if there is no default. */
export function choice<const T extends readonly string[]>(values: T, missing?: T[number]): Flag<T[number]> {
  return {
    expects: values.join('|'),
    required: missing === undefined,
    missing: missing ?? '',
    read: (text) => values.find((value) => value === text),
  };
}

/** A number from `min` to `max`; `missing` where the flag is not given. */
export function number<M extends number | null>(
  missing: M,
  { min, max, integer = false }: { min: number; max: number; integer?: boolean },
): Flag<number | M> {
  const kind = integer ? 'a whole number' : 'a number';
  return {
    expects: `${kind} ${max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`}`,
    required: false,
    missing,
    read: (text) => {
      const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN;
      const fits = value >= min && value <= max && (!integer || Number.isSafeInteger(value));
      return fits ? value : undefined;
    },
  };
}

const refuse = (message: string, fix: string) => new PlaygroundError('bad-arguments', message, fix);

/** One line that shows how a command is written. */
export function usage(name: string, { positional, flags }: Command): string {
  const parts = Object.entries(flags).map(([flag, { expects, required }]) => {
    const text = expects === null ? `--${flag}` : `--${flag} <${expects}>`;
    return required ? text : `[${text}]`;
  });
  return [name, ...(positional === null ? [] : [positional]), ...parts].join(' ');
}

/** Reads `--flag value`, `--flag=value`, switches and the positional argument. Throws `bad-arguments`. */
export function parseArguments<F extends Flags>(
  name: string,
  command: Command<F>,
  given: readonly string[],
): { positional: string; values: Values<F> } {
  const { flags } = command;
  const read = new Map<string, unknown>();
  const positionals: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const word = given[i]!;
    if (!word.startsWith('--')) {
      positionals.push(word);
      continue;
    }
    const [key, attached] = splitOnce(word.slice(2));
    const flag = Object.hasOwn(flags, key) ? flags[key] : undefined;
    if (!flag) {
      const near = nearest(key, Object.keys(flags));
      const known = Object.keys(flags).map((known) => `--${known}`);
      throw refuse(
        `${name} has no option --${key}.`,
        near === null ? `It may be one of: ${known.join(', ')}.` : `Did you mean --${near}?`,
      );
    }
    if (read.has(key)) throw refuse(`${name}: --${key} is given twice.`, 'Give it once.');
    if (flag.expects === null && attached !== undefined) {
      throw refuse(`${name}: --${key} takes no value, and has "${attached}".`, `Write just --${key}.`);
    }
    const text = flag.expects === null ? '' : (attached ?? given[++i]);
    if (text === undefined || (attached === undefined && text.startsWith('--'))) {
      throw refuse(`${name}: --${key} has no value.`, `It may be ${flag.expects ?? ''}.`);
    }
    const value = flag.read(text);
    if (value === undefined)
      throw refuse(`${name}: --${key} is "${text}".`, `It may be ${flag.expects ?? ''}.`);
    read.set(key, value);
  }

  const missing = Object.entries(flags).find(([key, flag]) => flag.required && !read.has(key));
  const wanted = command.positional === null ? 0 : 1;
  const fault =
    positionals.length < wanted
      ? `${name}: ${command.positional} is missing.`
      : positionals.length > wanted
        ? `${name}: "${positionals[wanted]}" is one argument too many.`
        : missing && `${name}: --${missing[0]} is missing.`;
  if (fault) throw refuse(fault, `Usage: ${usage(name, command)}`);
  const values = Object.entries(flags).map(([key, flag]) => [
    key,
    read.has(key) ? read.get(key) : flag.missing,
  ]);
  return { positional: positionals[0] ?? '', values: Object.fromEntries(values) as Values<F> };
}

function splitOnce(text: string): [string, string | undefined] {
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
