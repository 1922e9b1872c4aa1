// What keeping the frozen weights small does to the model's predictions, measured on rows of the experiment itself, so
// that whoever chooses int8 or NF4 sees its price on their own model and texts before a run is built on it.

import { divergence } from '../evaluate/divergence';
import type { LanguageModel } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import { DATA_PARTS } from '../shared/look';
import type { PackingCost } from '../shared/protocol';
import { firstRows, type Reading } from './first-rows';

/** Rows that are read: a dozen texts tell KL to a tenth of itself, in seconds. */
const TEXTS = 12;

/** The predictions of the experiment's model, packed, against those of the same weights in float32, on the first rows that
 *  it has. Throws `not-found`, or `bad-data` where it has none that can be read. */
export async function packingCost(whole: LanguageModel, packed: Reading): Promise<PackingCost> {
  const texts = await firstTexts(packed);
  if (texts.length === 0) {
    throw new PlaygroundError(
      'bad-data',
      'There are no rows of at least two tokens to measure on.',
      'Name some under "data": demonstrations, prompts or pairs.',
    );
  }
  const tokens = texts.reduce((sum, { length }) => sum + length - 1, 0);
  return { ...(await divergence(whole, packed.model, texts)), texts: texts.length, tokens };
}

/** Token ids of the first rows of the first part of `data` that has any, as far as the context reaches. */
async function firstTexts(reading: Reading): Promise<number[][]> {
  for (const part of DATA_PARTS) {
    const first = await firstRows(reading, part, TEXTS);
    const texts = (first?.texts ?? []).map(([text]) =>
      (text?.tokens ?? []).filter(({ kept }) => kept).map(({ id }) => id),
    );
    const long = texts.filter(({ length }) => length >= 2);
    if (long.length > 0) return long;
  }
  return [];
}
