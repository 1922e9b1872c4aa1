// Reads fields of a config.json without trusting them: a wrong one is named, with its value, before it becomes a
// shape or a loop bound.

import { PlaygroundError } from '../../shared/errors';
import { show } from '../json';

export interface ConfigReader {
  /** A whole number from 1 to `most`. */
  count(field: string, most: number): number;
  /** A number above 0. */
  positive(field: string): number;
  /** `eos_token_id`, the first if it is a list; null if there is none. */
  eosId(): number | null;
  bad: (field: string, what: string) => PlaygroundError;
}

export function configReader(json: Record<string, unknown>, file: string): ConfigReader {
  const bad = (field: string, what: string): PlaygroundError =>
    new PlaygroundError(
      'bad-model',
      `${file}: "${field}" is ${show(json, field)} and ${what}`,
      'Use the config.json that belongs to the weights.',
    );
  const number = (field: string, whole: boolean, most: number, what: string): number => {
    const value = json[field];
    if (typeof value !== 'number' || !(value > 0 && value <= most) || (whole && !Number.isInteger(value))) {
      throw bad(field, what);
    }
    return value;
  };
  return {
    count: (field, most) => number(field, true, most, `must be a whole number from 1 to ${most}`),
    positive: (field) => number(field, false, Number.MAX_VALUE, 'must be a number above 0'),
    eosId: () => {
      const field: unknown = json['eos_token_id'];
      const id: unknown = Array.isArray(field) ? field[0] : field;
      if (id === null || id === undefined) return null;
      if (typeof id !== 'number' || !Number.isInteger(id) || id < 0)
        throw bad('eos_token_id', 'must be a token id');
      return id;
    },
    bad,
  };
}
