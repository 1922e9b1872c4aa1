// Data as a person looks at it before anything learns from it: every row with what is wrong with it, how the rows fit
// the model, and of a single row each token with whether it is learnt.

import { isEnd } from '../model/end';
import { PlaygroundError } from '../shared/errors';
import {
  type DataPart,
  type DataRow,
  type Fit,
  type Looked,
  type MaskedText,
  type MaskedToken,
  MOST_ROWS,
  type RowProblem,
} from '../shared/look';
import { encodeCompletions, encodePreferences, encodePrompts, type Reader } from './examples';
import { parseRows, rawRows, readRow, type RowTypes } from './records';

/** The type of the rows of each part of `data`. */
const TYPES = {
  sft: 'prompt-completion',
  prompts: 'prompt-only',
  eval_prompts: 'prompt-only',
  preferences: 'any-preference',
} as const satisfies Record<DataPart, keyof RowTypes>;

/** The rows of a file, also those that have problems. */
export function inspectRows(text: string, source: string, part: DataPart): Looked {
  const problems: RowProblem[] = [];
  const attempt = <T>(line: number | null, action: () => T): T | null => {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof PlaygroundError)) throw error;
      problems.push({ line, message: error.message, fix: error.fix });
      return null;
    }
  };
  const rows = attempt(null, () => rawRows(text, source, (line, read) => attempt(line, read))) ?? [];
  const good = rows.filter((row) => attempt(row.line, () => readRow(row, source, TYPES[part])) !== null);
  problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  return {
    rows: rows.slice(0, MOST_ROWS).map(({ line, fields }) => ({ line, fields })),
    total: rows.length,
    problems,
    good: good.map(({ fields }) => `${JSON.stringify(fields)}\n`).join(''),
  };
}

/** How the rows of a file without problems fit the model, prompts with `newTokens` more. Throws what encoding them would
 *  throw. */
export function fitRows(text: string, source: string, part: DataPart, model: Reader, newTokens = 1): Fit {
  const { context } = model.config;
  const fit = (lengths: number[], truncated: number[] = [], dropped: number[] = []): Fit => ({
    longest: Math.max(0, ...lengths),
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    context,
    truncated: truncated.length,
    dropped: dropped.length,
  });
  switch (part) {
    case 'sft': {
      const rows = parseRows(text, source, TYPES[part]);
      const { examples, truncated } = encodeCompletions(rows, source, model, { eos: true, truncate: true });
      return fit(
        examples.map(({ ids }) => ids.length),
        truncated,
      );
    }
    case 'prompts':
    case 'eval_prompts':
      return fit(
        encodePrompts(parseRows(text, source, TYPES[part]), source, model, newTokens).map(
          ({ ids }) => ids.length,
        ),
      );
    case 'preferences': {
      const rows = parseRows(text, source, TYPES[part]);
      const pairs = rows.flatMap((row) => ('chosen' in row ? [row] : []));
      const labelled = rows.flatMap((row) => ('completion' in row ? [row] : []));
      const options = { eos: true, truncate: true };
      const { examples, dropped } =
        pairs.length > 0 ? encodePreferences(pairs, source, model) : { examples: [], dropped: [] };
      const single = encodeCompletions(labelled, source, model, options);
      const sides = examples.flatMap(({ chosen, rejected }) => [chosen, rejected]);
      return fit(
        [...sides, ...single.examples].map(({ ids }) => ids.length),
        single.truncated,
        dropped,
      );
    }
  }
}

/** A text with what its tokens are to the model. */
export interface ReadText extends MaskedText {
  tokens: (MaskedToken & { id: number })[];
}

/** The texts that training makes of one row, token by token. Throws `bad-data` if it can make none. */
export function maskRow(row: DataRow, source: string, part: DataPart, model: Reader): ReadText[] {
  // Without a limit, so that what the limit cuts off can be shown.
  const unlimited = { ...model, config: { ...model.config, context: Infinity } };
  const masked = (field: string, ids: readonly number[], promptLength: number): ReadText => ({
    field,
    tokens: ids.map((id, i) => ({
      id,
      text: model.tokenizer?.textOf(id) ?? String(id),
      learnt: i >= promptLength && i < model.config.context,
      end: isEnd(model.config, id),
      kept: i < model.config.context,
    })),
  });
  const read = readRow(row, source, TYPES[part]);
  if ('chosen' in read) {
    const [pair] = encodePreferences([read], source, unlimited).examples;
    return (['chosen', 'rejected'] as const).map((side) => {
      const { ids, promptLength } = pair![side];
      return masked(side, ids, promptLength);
    });
  }
  if ('completion' in read) {
    const { examples } = encodeCompletions([read], source, unlimited, { eos: true, truncate: true });
    return examples.map(({ ids, promptLength }) => masked('completion', ids, promptLength));
  }
  return encodePrompts([read], source, unlimited, 0).map(({ ids }) => masked('prompt', ids, ids.length));
}
