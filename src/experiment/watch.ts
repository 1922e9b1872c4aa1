// The same few openings, completed with the same draws by the base model and by SFT and PPO as they train: what a
// person compares. Being a function of the seed alone, they are the same in a resumed run.

import { hash32 } from '../engine/random';
import type { Adapter } from '../model/lora';
import { generate } from '../model/generate';
import { readPrompts, type Workshop } from './workshop';

/** Completes the watched prompts and hands them on; `null` is the bare model. */
export type Watch = (checkpoint: string, adapter: Adapter | null) => Promise<void>;

const PROMPTS = 4;
const NEW_TOKENS = 40;

/** Watches the first prompts of the evaluation; nothing where there are none, or no text to show. */
export async function openWatch(workshop: Workshop): Promise<Watch> {
  const { experiment, model, onSample } = workshop;
  const { tokenizer } = model;
  if (experiment.data.eval_prompts === undefined || !tokenizer) return () => Promise.resolve();
  const prompts = (await readPrompts(workshop, 'eval_prompts', NEW_TOKENS)).slice(0, PROMPTS);
  const streams = prompts.map((_, i) => i);
  return async (checkpoint, adapter) => {
    const { tokens } = await generate(
      model,
      adapter,
      prompts.map(({ ids }) => ids),
      {
        maxNewTokens: NEW_TOKENS,
        minNewTokens: 0,
        temperature: 1,
        topK: 0,
        topP: 1,
        seed: hash32(experiment.seed, 'watch'),
        streams,
      },
    );
    prompts.forEach(({ text: prompt }, i) => {
      const token_ids = tokens[i]!;
      const completion = tokenizer.decode(token_ids, { skipSpecial: true });
      onSample({ checkpoint, prompt, completion, token_ids, seed: streams[i]! });
    });
  };
}
