// What page and worker say to each other about data that a person looks at: rows, what is wrong with them, how they
// fit the model, and which tokens of a row are learnt.

import type { DataSettings } from './experiment';

/** The parts of `data` that are rows. */
export const DATA_PARTS = [
  'sft',
  'prompts',
  'eval_prompts',
  'preferences',
] as const satisfies readonly (keyof DataSettings)[];

export type DataPart = (typeof DATA_PARTS)[number];

export interface DataRow {
  /** The line of the file it begins on, from 1. */
  line: number;
  fields: Record<string, unknown>;
}

export interface RowProblem {
  /** Null where it is of the file as a whole. */
  line: number | null;
  message: string;
  fix: string;
}

export interface Looked {
  /** The first of them, as many as a person will look at. */
  rows: DataRow[];
  /** How many there are. */
  total: number;
  problems: RowProblem[];
  /** All rows without a problem, as JSONL. */
  good: string;
}

/** Rows that are shown, and can be edited, at most. */
export const MOST_ROWS = 5000;

/** Lengths in tokens. */
export interface Fit {
  longest: number;
  tokens: number;
  /** The most the model can read. */
  context: number;
  /** Rows that lose their end. */
  truncated: number;
  /** Pairs that are left out, since a side that is cut cannot be judged. */
  dropped: number;
}

export interface MaskedToken {
  text: string;
  /** Whether the loss is on it; in pairs, whether it is of the answer. */
  learnt: boolean;
  /** The token that ends a text. */
  end: boolean;
  /** False where it is cut off for want of room. */
  kept: boolean;
}

/** One text that training makes of a row: a prompt, with the `field` that follows it. */
export interface MaskedText {
  field: string;
  tokens: MaskedToken[];
}

/** How an experiment names what a person brought along. */
export const OWN = /^own:(?<name>[^/]+)$/;
