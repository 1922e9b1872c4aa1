// Refuses a run that cannot fit the device before anything is computed, and says which settings would fit.

import { readSource, type ReadBytes } from '../data/sources';
import { shapeOf } from '../model/shape';
import type { LanguageModel } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import type { Experiment } from '../shared/experiment';
import { checkpoints, fitting, memoryBudget } from '../shared/memory-budget';

/** What a 32-bit wasm heap can grow to. */
export const WASM_LIMIT = 2 ** 32;

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** How the run will be computed. Throws `out-of-memory` if a stage needs more than `limit` bytes. */
export async function plan(
  model: LanguageModel,
  experiment: Experiment,
  read: ReadBytes,
  limit: number,
): Promise<{ gradientCheckpointing: boolean }> {
  const shape = shapeOf(model);
  const longest = await longestRows(model, experiment, read);
  const gradientCheckpointing = checkpoints(shape, experiment, longest);
  const [worst] = memoryBudget(shape, experiment, longest).sort((a, b) => b.total - a.total);
  if (!worst || worst.total <= limit) return { gradientCheckpointing };
  const smaller = fitting(shape, experiment, limit, longest);
  const batches = smaller?.stages.flatMap((stage) =>
    'per_device_train_batch_size' in stage
      ? [`${stage.kind}: per_device_train_batch_size ${stage.per_device_train_batch_size}`]
      : [],
  );
  throw new PlaygroundError(
    'out-of-memory',
    `stage ${worst.stage} would need ${gigabytes(worst.total)}, of which ${gigabytes(worst.weights)} for weights and ${gigabytes(worst.activations)} for activations; the device gives at most ${gigabytes(limit)}`,
    smaller && batches
      ? `This would fit: quantization ${smaller.quantization ?? 'none'}, gradient_checkpointing on; ${batches.join('; ')}.`
      : 'Use a smaller model or shorter texts.',
  );
}

/** Tokens of the longest prompt and of the longest prompt with a completion; new tokens included where a stage
 *  writes them. Rows that cannot be read are for the stages to refuse. */
async function longestRows(
  { tokenizer, config }: LanguageModel,
  { data, stages }: Experiment,
  read: ReadBytes,
): Promise<{ prompt: number; whole: number }> {
  const fresh = stages.map((stage) => ('response_length' in stage ? stage.response_length : 0));
  let [prompt, whole] = [1, 1];
  for (const part of ['sft', 'prompts', 'eval_prompts', 'preferences'] as const) {
    const name = data[part];
    if (name === undefined) continue;
    for (const line of (await readSource(name, read)).split('\n')) {
      const row = fields(line);
      const tokens = (field: string): number => {
        const value = row[`${field}_ids`] ?? row[field];
        if (Array.isArray(value)) return value.length;
        return typeof value === 'string' ? (tokenizer?.encode(value, { special: true }).length ?? 0) : 0;
      };
      const [asked, ...answers] = ['prompt', 'completion', 'chosen', 'rejected'].map(tokens);
      prompt = Math.max(prompt, asked ?? 0);
      whole = Math.max(whole, (asked ?? 0) + Math.max(...answers, ...(part === 'sft' ? [] : fresh)) + 1);
    }
  }
  return { prompt: Math.min(prompt, config.context), whole: Math.min(whole, config.context) };
}

function fields(line: string): Record<string, unknown> {
  try {
    return (JSON.parse(line) ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
}
