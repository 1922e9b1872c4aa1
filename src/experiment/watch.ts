// The same few openings, completed with the same draws by the base model and by SFT and PPO as they train: what a
// person compares. Being a function of the seed alone, they are the same in a resumed run.

import { joined, roomAfter } from '../data/batches';
import { microBatches, perToken } from '../data/micro-batches';
import { hash32 } from '../engine/random';
import { generate } from '../model/generate';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import type { Scorable } from '../reward';
import { pureSampling } from '../shared/sampling';
import type { TokenNumbers } from '../train/state';
import { shown } from '../train/updates';
import { readPrompts, type RunningStage, type Workshop } from './workshop';

/** Completes the watched prompts and hands them on; `null` is the bare model, held to nothing but itself. */
export type Watch = (
  checkpoint: string,
  adapter: Adapter | null,
  explain?: RunningStage['explain'],
) => Promise<void>;

const PROMPTS = 4;
/** At most: as many as the context leaves room for. */
const NEW_TOKENS = 40;

/** The name of the bare model's watched completions, before any step: those of an evaluation are called "base". */
export const BEFORE_TRAINING = 'base@0';

/** Watches the first prompts of the evaluation; nothing where there are none, or no text to show. */
export async function openWatch(workshop: Workshop): Promise<Watch> {
  const { experiment, model, onSample } = workshop;
  const { tokenizer } = model;
  if (experiment.data.eval_prompts === undefined || !tokenizer) return () => Promise.resolve();
  const prompts = await readPrompts(workshop, 'eval_prompts', 1, PROMPTS);
  const lengths = prompts.map(({ ids }) => ids.length);
  const options = pureSampling({
    maxNewTokens: roomAfter(lengths, NEW_TOKENS, model.config.context),
    seed: hash32(experiment.seed, 'watch'),
  });
  const streams = prompts.map((_, i) => i);
  return async (checkpoint, adapter, explain) => {
    const { tokens, logprobs } = await generate(
      model,
      adapter,
      prompts.map(({ ids }) => ids),
      { ...options, streams },
    );
    const episodes = prompts.map(({ text, ids }, i) => ({
      prompt: text,
      promptIds: ids,
      tokens: tokens[i]!,
    }));
    const numbers = explain
      ? await explain(episodes)
      : logprobs.map((row) => ({ logprob: row, ref_logprob: row }));
    episodes.forEach((episode, i) =>
      onSample({ checkpoint, seed: streams[i]!, ...shown(tokenizer, episode, numbers[i]!) }),
    );
  };
}

/** The numbers behind tokens where only the policy and what it began as are known. */
export async function explainByLogprobs(
  model: LanguageModel,
  policy: Adapter,
  reference: Adapter | null,
  episodes: readonly Scorable[],
): Promise<TokenNumbers[]> {
  const batches = microBatches(
    episodes.map(({ promptIds, tokens }) => joined(promptIds, tokens)),
    model.config.context,
  );
  const under = (adapter: Adapter | null): Promise<Float32Array[]> =>
    perToken(batches, (batch) => completionLogprobs(model, adapter, batch, { temperature: 1 }).logprobs);
  const own = await under(policy);
  const others = await under(reference);
  return own.map((row, i) => ({ logprob: Array.from(row), ref_logprob: Array.from(others[i]!) }));
}
