// Preference pairs of the policy's own making: two completions of each prompt, the better one named by a labeller who
// errs with a set probability. Pairs that the labeller cannot tell apart are dropped. A yield is one batch of prompts;
// its pairs are handed over as lines of pairs.jsonl.

import { batchIndices } from '../data/batches';
import type { PromptExample } from '../data/examples';
import { hash32, uniform } from '../engine/random';
import { labellers } from '../feedback/labellers';
import { generate } from '../model/generate';
import type { Adapter } from '../model/lora';
import { PlaygroundError } from '../shared/errors';
import type { PairsStage } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { metricsRow, type StageContext, type TrainState } from '../train/state';

export interface PairsContext extends StageContext {
  policy: Adapter;
  prompts: readonly PromptExample[];
  /** Writes rows `{prompt, chosen, rejected, …_ids, flipped}`. */
  onPairs: (rows: readonly object[]) => Promise<void>;
}

/** Prompts completed in one step, each twice. */
const PROMPTS = 32;

/** Batches in a row without a single pair after which the labeller is taken to see no difference at all. */
const PATIENCE = 20;

export function startPairs(): TrainState {
  return { step: 0, adapters: {}, optimizers: {}, scalars: { pairs: 0, ties: 0, barren: 0 } };
}

export async function* pairs(
  { model, name, seed, policy, prompts, onPairs }: PairsContext,
  { count, temperature, max_new_tokens, labeller }: PairsStage,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { tokenizer } = model;
  const label = Object.hasOwn(labellers, labeller.name) ? labellers[labeller.name] : undefined;
  if (!label || !tokenizer) {
    throw new PlaygroundError(
      'bad-experiment',
      label
        ? `${model.name} has no tokenizer, and labellers read text.`
        : `There is no labeller "${labeller.name}".`,
      label
        ? 'Give a file of pairs as data.preferences.'
        : `Labellers: ${Object.keys(labellers).join(', ')}.`,
    );
  }
  while (state.scalars['pairs']! < count) {
    const step = state.step;
    const queries = batchIndices(prompts.length, PROMPTS, step, seed, name).map((row) => prompts[row]!);
    const { tokens } = await generate(
      model,
      policy,
      [...queries, ...queries].map(({ ids }) => ids),
      {
        maxNewTokens: max_new_tokens,
        minNewTokens: 0,
        temperature,
        topK: 0,
        topP: 1,
        seed: hash32(seed, name, 'samples'),
        streams: Array.from({ length: 2 * PROMPTS }, (_, i) => 2 * PROMPTS * step + i),
      },
    );
    const texts = tokens.map((ids) => tokenizer.decode(ids, { skipSpecial: true }));
    const rows: object[] = [];
    let ties = 0;
    let flips = 0;
    queries.forEach(({ text, ids }, i) => {
      const [first, second] = [texts[i]!, texts[PROMPTS + i]!];
      const difference = label(text, first) - label(text, second);
      if (difference === 0) ties++;
      if (difference === 0 || state.scalars['pairs']! + rows.length === count) return;
      const flip = uniform(seed, name, 'noise', step, i) < labeller.noise;
      if (flip) flips++;
      const [better, worse] = difference > 0 !== flip ? [i, PROMPTS + i] : [PROMPTS + i, i];
      rows.push({
        prompt: text,
        chosen: texts[better],
        rejected: texts[worse],
        prompt_ids: ids,
        chosen_ids: tokens[better],
        rejected_ids: tokens[worse],
        flipped: flip,
      });
    });
    await onPairs(rows);

    const { scalars } = state;
    state.step = step + 1;
    scalars['pairs']! += rows.length;
    scalars['ties']! += ties;
    scalars['barren'] = rows.length === 0 ? scalars['barren']! + 1 : 0;
    if (scalars['barren'] === PATIENCE) {
      throw new PlaygroundError(
        'bad-data',
        `Stage ${name}: the labeller "${labeller.name}" saw no difference between ${PATIENCE * PROMPTS} pairs in a row.`,
        'Raise the temperature, or use a labeller and prompts that fit each other.',
      );
    }
    yield metricsRow(name, state.step, {
      pairs: scalars['pairs']!,
      tie_rate: ties / PROMPTS,
      flip_rate: rows.length === 0 ? 0 : flips / rows.length,
      finish_rate: tokens.filter((ids) => ids.at(-1) === model.config.eosId).length / tokens.length,
      mean_length: tokens.reduce((sum, ids) => sum + ids.length, 0) / tokens.length,
    });
  }
}
