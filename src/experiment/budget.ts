// What a run would take of the device, from the model's shape and the longest of its rows; one that cannot fit is
// refused before anything is computed.

import { type RawRow, rawRows } from '../data/records';
import { readSource, type ReadBytes } from '../data/sources';
import { shapeOf } from '../model/shape';
import type { LanguageModel } from '../model/types';
import { type Budget, largestOf, newTokens, refusalOf } from '../shared/budget';
import { PlaygroundError } from '../shared/errors';
import type { Experiment } from '../shared/experiment';
import { checkpoints, fitting, memoryBudget, type RowLengths, unknownRows } from '../shared/memory-budget';
import { methodOf } from '../shared/methods';

/** Stage by stage, and settings that would fit where these do not; `limit` in bytes, null where nobody can tell. */
export async function budgetOf(
  model: LanguageModel,
  experiment: Experiment,
  read: ReadBytes,
  limit: number | null,
): Promise<Budget> {
  const shape = shapeOf(model);
  const lengths = await rowLengths(model, experiment, read);
  const stages = memoryBudget(shape, experiment, lengths);
  const beyond = limit !== null && stages.some(({ total }) => total > limit);
  return {
    stages,
    limit,
    gradientCheckpointing: checkpoints(shape, experiment, lengths),
    fits: beyond ? fitting(shape, experiment, limit, lengths) : null,
  };
}

/** How the run will be computed. `limitFor` says what the device gives when asked for so many bytes. Throws
 *  `out-of-memory` if a stage needs more than there is. */
export async function plan(
  model: LanguageModel,
  experiment: Experiment,
  read: ReadBytes,
  limitFor: (bytes: number) => Promise<number | null>,
): Promise<{ gradientCheckpointing: boolean }> {
  const { stages } = await budgetOf(model, experiment, read, null);
  const limit = await limitFor(largestOf(stages)?.total ?? 0);
  const budget = await budgetOf(model, experiment, read, limit);
  const refused = refusalOf(budget, experiment);
  if (refused) throw new PlaygroundError('out-of-memory', refused.message, refused.fix);
  return budget;
}

/** What was last measured with a tokenizer, by file: a setting that changes no row is answered at once. */
const measured = new WeakMap<object, Map<string, { text: string; lengths: RowLengths }>>();

/** The lengths of the rows of each stage, new tokens included where it writes them. Rows that cannot be read are for the
 *  stages to refuse. */
async function rowLengths(
  model: LanguageModel,
  { data, stages }: Experiment,
  read: ReadBytes,
): Promise<RowLengths[]> {
  const { context } = model.config;
  const known = measured.get(model.weights) ?? new Map<string, { text: string; lengths: RowLengths }>();
  measured.set(model.weights, known);
  const file = async (name: string | undefined): Promise<RowLengths> => {
    if (name === undefined) return NO_ROWS;
    const text = await readSource(name, read);
    const before = known.get(name);
    const lengths = before?.text === text ? before.lengths : measure(model, text, name);
    known.set(name, { text, lengths });
    return lengths;
  };
  const completed = ({ prompt, rows }: RowLengths, fresh: number): RowLengths => ({
    ...{ prompt, rows },
    completion: fresh,
    whole: prompt + fresh,
  });
  const found: RowLengths[] = [];
  for (const [i, stage] of stages.entries()) {
    const { what } = methodOf(stage.kind).needs[0]!;
    const fresh = newTokens(stage);
    let lengths: RowLengths;
    if (what === 'text') lengths = unknownRows([stage], context)[0]!;
    else if (what === 'pairs' && data.preferences === undefined) {
      const pairs = stages.slice(0, i).findLast(({ kind }) => kind === 'pairs');
      lengths = completed(await file(data.prompts), pairs ? newTokens(pairs) : 0);
    } else if (what === 'pairs') lengths = await file(data.preferences);
    else lengths = fresh > 0 ? completed(await file(data[what]), fresh) : await file(data[what]);
    found.push({
      ...lengths,
      prompt: Math.min(lengths.prompt, context),
      whole: Math.min(lengths.whole, context),
    });
  }
  return found;
}

const NO_ROWS: RowLengths = { prompt: 1, completion: 1, whole: 1, rows: 1 };

function measure({ tokenizer, config }: LanguageModel, text: string, name: string): RowLengths {
  const longest = { ...NO_ROWS, rows: 0 };
  for (const { fields } of readable(text, name)) {
    /** Null where the row has no such part. */
    const tokens = (field: string, special: boolean): number | null => {
      const ids = fields[`${field}_ids`];
      if (Array.isArray(ids)) return ids.length;
      const part = fields[field];
      if (typeof part !== 'string') return null;
      const end = special || config.eosId === null ? 0 : 1;
      return (tokenizer?.encode(part, { special }).length ?? 0) + end;
    };
    const prompt = tokens('prompt', true) ?? 0;
    const answers = ['completion', 'chosen', 'rejected'].flatMap((field) => tokens(field, false) ?? []);
    longest.rows += Math.max(1, answers.length);
    longest.prompt = Math.max(longest.prompt, prompt);
    longest.completion = Math.max(longest.completion, ...answers);
    longest.whole = Math.max(longest.whole, prompt + Math.max(0, ...answers));
  }
  return longest.rows === 0 ? NO_ROWS : longest;
}

function readable(text: string, name: string): RawRow[] {
  try {
    return rawRows(text, name);
  } catch {
    return [];
  }
}
