// Preference pairs of the policy's own making: some completions of each prompt, and of every two of them the better one
// named by a labeller who errs with a set probability. (Ouyang et al. 2022, §3.5, have 4 to 9 completions compared: K
// of them are K(K − 1)/2 pairs.) Pairs that the labeller cannot tell apart are dropped. A yield is one batch of prompts;
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

/** Batches in a row without a single pair after which the labeller is taken to see no difference at all. */
const PATIENCE = 20;

/** Pairs among the completions written in one step, ties included. */
export function pairsCompared({ num_generations: group }: PairsStage): number {
  return (promptsOf(group) * group * (group - 1)) / 2;
}

/** Prompts completed in one step. */
const promptsOf = (group: number): number => Math.max(1, Math.floor(WRITTEN / group));

export function startPairs(): TrainState {
  return { step: 0, adapters: {}, optimizers: {}, scalars: { pairs: 0, ties: 0, barren: 0 } };
}

export async function* pairs(
  { model, name, seed, policy, prompts, onPairs }: PairsContext,
  stage: PairsStage,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { count, num_generations: group, temperature, max_new_tokens, labeller } = stage;
  const label = labellerOf(labeller.name, model);
  const size = promptsOf(group);
  const twos = Array.from({ length: group }, (_, b) =>
    Array.from({ length: b }, (_, a) => [a, b] as const),
  ).flat();
  while (state.scalars['pairs']! < count) {
    const step = state.step;
    const queries = batchIndices(prompts.length, size, step, seed, name).map((row) => prompts[row]!);
    const answers = await complete(model, policy, queries, {
      group,
      seed: hash32(seed, name, 'samples'),
      stream: (i, answer) => size * (group * step + answer) + i,
      temperature,
      maxNewTokens: max_new_tokens,
    });
    const rows: LabelledPair[] = [];
    let ties = 0;
    let flips = 0;
    queries.forEach(({ text, ids }, i) => {
      const own = answers[i]!;
      const labels = own.map((answer) => label(text, answer.text));
      twos.forEach(([a, b], two) => {
        const difference = labels[a]! - labels[b]!;
        if (difference === 0) ties++;
        if (difference === 0 || state.scalars['pairs']! + rows.length === count) return;
        const flip = uniform(seed, name, 'noise', step, size * two + i) < labeller.noise;
        if (flip) flips++;
        const [better, worse] = difference > 0 !== flip ? [own[a]!, own[b]!] : [own[b]!, own[a]!];
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
        `Stage ${name}: the labeller "${labeller.name}" saw no difference between ${PATIENCE * pairsCompared(stage)} pairs in a row.`,
        'Raise the temperature, or use a labeller and prompts that fit each other.',
      );
    }
    const tokens = answers.flat().map(({ ids }) => ids);
    yield metricsRow(name, state.step, {
      pairs: scalars['pairs']!,
      tie_rate: ties / pairsCompared(stage),
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
  const answers = await complete(workshop.model, policy, queries, {
    group: 2,
    seed: hash32(seed, name, 'judged'),
    stream: (i, answer) => 2 * (from + i) + answer,
    temperature: stage.temperature,
    maxNewTokens: stage.max_new_tokens,
  });
  return queries.flatMap((prompt, i) => {
    const [first, second] = answers[i] as [Answer, Answer];
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

/** `group` completions of each query; `stream` numbers the draws of query i's first (0), second (1) … answer. */
async function complete(
  model: LanguageModel,
  policy: Adapter | null,
  queries: readonly PromptExample[],
  {
    group,
    seed,
    stream,
    temperature,
    maxNewTokens,
  }: {
    group: number;
    seed: number;
    stream: (i: number, answer: number) => number;
    temperature: number;
    maxNewTokens: number;
  },
): Promise<Answer[][]> {
  const rounds = Array.from({ length: group }, (_, answer) => answer);
  const { tokens } = await generate(
    model,
    policy,
    rounds.flatMap(() => queries.map(({ ids }) => ids)),
    {
      ...pureSampling({ maxNewTokens, temperature, seed }),
      streams: rounds.flatMap((answer) => queries.map((_, i) => stream(i, answer))),
    },
  );
  const answer = (ids: number[]): Answer => ({
    text: model.tokenizer?.decode(ids, { skipSpecial: true }) ?? '',
    ids,
  });
  return queries.map((_, i) => rounds.map((round) => answer(tokens[round * queries.length + i]!)));
}
