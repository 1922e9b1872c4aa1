// The rows that a recording brings along of what its run learnt from: the first of each part of `data`, with the texts that
// training makes of them, and the first pairs it sampled. So a replay shows them where the files are out of reach, and
// before a model is loaded.

import type { DataPart, DataRow, MaskedText } from './look';

/** Where a run keeps the rows. */
export const FIRST_ROWS = 'rows.json';

export interface FirstRows {
  /** How many rows there are in all. */
  total: number;
  rows: DataRow[];
  /** Of each row the texts that training makes of it. */
  texts: StoredText[][];
}

export type FirstRowsByPart = Partial<Record<DataPart, FirstRows>>;

/** TRL's preference columns, with the ids that the model read and wrote: no text tokenizes back to them for certain. */
export interface SampledPair {
  prompt: string;
  chosen: string;
  rejected: string;
  prompt_ids: number[];
  chosen_ids: number[];
  rejected_ids: number[];
}

/** A row of pairs.jsonl, as the pairs stage writes it. */
export interface LabelledPair extends SampledPair {
  /** Whether the labeller erred, as it is made to at times. */
  flipped: boolean;
}

/** A masked text in a tenth of the room. */
export interface StoredText {
  field: string;
  tokens: string[];
  /** Tokens before the first that is learnt. */
  prompt: number;
  /** Tokens before the first that is cut off. */
  kept: number;
  /** Places of those that end a text. */
  ends: number[];
}

export function storedText({ field, tokens }: MaskedText): StoredText {
  const prompt = tokens.findIndex(({ learnt }) => learnt);
  return {
    field,
    tokens: tokens.map(({ text }) => text),
    prompt: prompt < 0 ? tokens.length : prompt,
    kept: tokens.filter(({ kept }) => kept).length,
    ends: tokens.flatMap(({ end }, i) => (end ? i : [])),
  };
}

export function maskedText({ field, tokens, prompt, kept, ends }: StoredText): MaskedText {
  return {
    field,
    tokens: tokens.map((text, i) => ({
      text,
      learnt: i >= prompt && i < kept,
      end: ends.includes(i),
      kept: i < kept,
    })),
  };
}
