// Reads fields of a config.json without trusting them: a wrong one is named, with its value, before it becomes a
// shape or a loop bound.

import { PlaygroundError } from '../../shared/errors';
import { show } from '../json';

export interface ConfigReader {
  /** A whole number from 1 to `most`; where the field is missing or null, `otherwise` if given. */
  count(field: string, most: number, otherwise?: number): number;
  /** A number above 0. */
  positive(field: string, otherwise?: number): number;
  flag(field: string, otherwise: boolean): boolean;
  /** One of a few words; where the field is missing, the first. */
  choice<W extends string>(field: string, ...words: W[]): W;
  /** `eos_token_id`, the first if it is a list; null if there is none. */
  eosId(): number | null;
  /** All of them. */
  eosIds(): number[];
  bad: (field: string, what: string) => PlaygroundError;
}

export function configReader(json: Record<string, unknown>, file: string): ConfigReader {
  const bad = (field: string, what: string): PlaygroundError =>
    new PlaygroundError(
      'bad-model',
      `${file}: "${field}" is ${show(json, field)} and ${what}`,
      'Use the config.json that belongs to the weights.',
    );
  const number = (
    field: string,
    whole: boolean,
    most: number,
    what: string,
    otherwise: number | undefined,
  ): number => {
    const value = json[field] ?? otherwise;
    if (typeof value !== 'number' || !(value > 0 && value <= most) || (whole && !Number.isInteger(value))) {
      throw bad(field, what);
    }
    return value;
  };
  const eosIds = (): number[] => {
    const field: unknown = json['eos_token_id'] ?? [];
    const ids: unknown[] = Array.isArray(field) ? field : [field];
    const isId = (id: unknown): id is number => typeof id === 'number' && Number.isInteger(id) && id >= 0;
    if (!ids.every(isId)) throw bad('eos_token_id', 'must be a token id or a list of them');
    return [...new Set(ids)];
  };
  return {
    count: (field, most, otherwise) =>
      number(field, true, most, `must be a whole number from 1 to ${most}`, otherwise),
    positive: (field, otherwise) =>
      number(field, false, Number.MAX_VALUE, 'must be a number above 0', otherwise),
    flag: (field, otherwise) => {
      const value = json[field] ?? otherwise;
      if (typeof value !== 'boolean') throw bad(field, 'must be true or false');
      return value;
    },
    choice: (field, ...words) => {
      const value = json[field] ?? words[0];
      const word = words.find((known) => known === value);
      if (word === undefined) throw bad(field, `must be ${words.map((known) => `"${known}"`).join(' or ')}`);
      return word;
    },
    eosId: () => eosIds()[0] ?? null,
    eosIds,
    bad,
  };
}
