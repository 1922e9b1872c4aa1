// Preference pairs of the policy's own making: two completions of each prompt, the better one named by a labeller who
// errs with a set probability. Pairs that the labeller cannot tell apart are dropped. A yield is one batch of prompts;
// its pairs are handed over as lines of pairs.jsonl. `freshPairs` draws some for a person to judge in his place.

import { batchIndices } from '../data/batches';
import type { PromptExample } from '../data/examples';
import { hash32, uniform } from '../engine/random';
import { type LabelFunction, labellers } from '../feedback/labellers';
import { isEnd } from '../model/end';
import { generate } from '../model/generate';
import type { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import type { PairsStage } from '../shared/experiment';
import type { LabelledPair } from '../shared/first-rows';
import { WRITTEN } from '../shared/memory-formula';
import type { Answer, AnswerPair, MetricsRow } from '../shared/protocol';
import { pureSampling } from '../shared/sampling';
import { metricsRow, type StageContext, type TrainState } from '../train/state';
import { readPrompts, type Workshop } from './workshop';

export interface PairsContext extends StageContext {
  policy: Adapter;
  prompts: readonly PromptExample[];
  /** Writes rows of pairs.jsonl. */
  onPairs: (rows: readonly LabelledPair[]) => Promise<void>;
}

/** Prompts completed in one step, each twice. */
const PROMPTS = WRITTEN / 2;

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
  const label = labellerOf(labeller.name, model);
  while (state.scalars['pairs']! < count) {
    const step = state.step;
    const queries = batchIndices(prompts.length, PROMPTS, step, seed, name).map((row) => prompts[row]!);
    const answers = await twice(model, policy, queries, {
      seed: hash32(seed, name, 'samples'),
      stream: (i, answer) => PROMPTS * (2 * step + answer) + i,
      temperature,
      maxNewTokens: max_new_tokens,
    });
    const rows: LabelledPair[] = [];
    let ties = 0;
    let flips = 0;
    queries.forEach(({ text, ids }, i) => {
      const [first, second] = answers[i]!;
      const difference = label(text, first.text) - label(text, second.text);
      if (difference === 0) ties++;
      if (difference === 0 || state.scalars['pairs']! + rows.length === count) return;
      const flip = uniform(seed, name, 'noise', step, i) < labeller.noise;
      if (flip) flips++;
      const [better, worse] = difference > 0 !== flip ? [first, second] : [second, first];
      rows.push({
        prompt: text,
        chosen: better.text,
        rejected: worse.text,
        prompt_ids: ids,
        chosen_ids: better.ids,
        rejected_ids: worse.ids,
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
    const tokens = answers.flat().map(({ ids }) => ids);
    yield metricsRow(name, state.step, {
      pairs: scalars['pairs']!,
      tie_rate: ties / PROMPTS,
      flip_rate: rows.length === 0 ? 0 : flips / rows.length,
      finish_rate: tokens.filter((ids) => isEnd(model.config, ids.at(-1))).length / tokens.length,
      mean_length: tokens.reduce((sum, ids) => sum + ids.length, 0) / tokens.length,
    });
  }
}

/** What a person judges where the experiment has no pairs stage to say it. */
const UNSAID = { temperature: 1, max_new_tokens: 40, labeller: null };

/**
 * Pairs of the writer called `name`, from its number `from` on, as the experiment's pairs stage would sample them; those
 * of two equal texts are left out, nobody could choose. Pure in (experiment, name, number).
 */
export async function freshPairs(
  workshop: Pick<Workshop, 'experiment' | 'model' | 'readData'>,
  name: string,
  policy: Adapter | null,
  from: number,
  count: number,
): Promise<AnswerPair[]> {
  const { seed, stages } = workshop.experiment;
  const stage = stages.find((one): one is PairsStage => one.kind === 'pairs') ?? UNSAID;
  const label = stage.labeller && labelFunction(stage.labeller.name);
  const prompts = await readPrompts(workshop, 'prompts', stage.max_new_tokens);
  const queries = batchIndices(prompts.length, from + count, 0, seed, `${name} judged`)
    .slice(from)
    .map((row) => prompts[row]!);
  const answers = await twice(workshop.model, policy, queries, {
    seed: hash32(seed, name, 'judged'),
    stream: (i, answer) => 2 * (from + i) + answer,
    temperature: stage.temperature,
    maxNewTokens: stage.max_new_tokens,
  });
  return queries.flatMap((prompt, i) => {
    const [first, second] = answers[i]!;
    if (first.text.trim() === second.text.trim()) return [];
    const difference = label ? label(prompt.text, first.text) - label(prompt.text, second.text) : 0;
    const labelled = difference === 0 ? null : difference > 0 ? 0 : 1;
    return { id: `${name}:${from + i}`, prompt, answers: [first, second], labelled };
  });
}

function labelFunction(name: string): LabelFunction | undefined {
  return Object.hasOwn(labellers, name) ? labellers[name] : undefined;
}

/** The labeller of that name. Throws `bad-experiment` where there is none, or the model gives it nothing to read. */
export function labellerOf(name: string, { name: modelName, tokenizer }: LanguageModel): LabelFunction {
  const label = labelFunction(name);
  if (label && tokenizer) return label;
  throw new PlaygroundError(
    'bad-experiment',
    label ? `${modelName} has no tokenizer, and labellers read text.` : `There is no labeller "${name}".`,
    label ? 'Give a file of pairs as data.preferences.' : `Labellers: ${Object.keys(labellers).join(', ')}.`,
  );
}

/** Two completions of each query; `stream` numbers the draws of query i's first (0) and second (1) answer. */
async function twice(
  model: LanguageModel,
  policy: Adapter | null,
  queries: readonly PromptExample[],
  {
    seed,
    stream,
    temperature,
    maxNewTokens,
  }: {
    seed: number;
    stream: (i: number, answer: 0 | 1) => number;
    temperature: number;
    maxNewTokens: number;
  },
): Promise<[Answer, Answer][]> {
  const { tokens } = await generate(
    model,
    policy,
    [...queries, ...queries].map(({ ids }) => ids),
    {
      ...pureSampling({ maxNewTokens, temperature, seed }),
      streams: [...queries.map((_, i) => stream(i, 0)), ...queries.map((_, i) => stream(i, 1))],
    },
  );
  const answer = (ids: number[]): Answer => ({
    text: model.tokenizer?.decode(ids, { skipSpecial: true }) ?? '',
    ids,
  });
  return queries.map((_, i) => [answer(tokens[i]!), answer(tokens[queries.length + i]!)]);
}
