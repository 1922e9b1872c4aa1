// What a run would take of the device, from the model's shape and the longest of its rows; one that cannot fit is
// refused before anything is computed.

import { readSource, type ReadBytes } from '../data/sources';
import { shapeOf } from '../model/shape';
import type { LanguageModel } from '../model/types';
import { type Budget, newTokens, refusalOf } from '../shared/budget';
import { PlaygroundError } from '../shared/errors';
import type { Experiment } from '../shared/experiment';
import { checkpoints, fitting, memoryBudget } from '../shared/memory-budget';

/** Stage by stage, and settings that would fit where these do not; `limit` in bytes, null where nobody can tell. */
export async function budgetOf(
  model: LanguageModel,
  experiment: Experiment,
  read: ReadBytes,
  limit: number | null,
): Promise<Budget> {
  const shape = shapeOf(model);
  const longest = await longestRows(model, experiment, read);
  const stages = memoryBudget(shape, experiment, longest);
  const beyond = limit !== null && stages.some(({ total }) => total > limit);
  return {
    stages,
    limit,
    gradientCheckpointing: checkpoints(shape, experiment, longest),
    fits: beyond ? fitting(shape, experiment, limit, longest) : null,
  };
}

/** How the run will be computed. Throws `out-of-memory` if a stage needs more than there is. */
export async function plan(
  model: LanguageModel,
  experiment: Experiment,
  read: ReadBytes,
  limit: number | null,
): Promise<{ gradientCheckpointing: boolean }> {
  const budget = await budgetOf(model, experiment, read, limit);
  const refused = refusalOf(budget, experiment);
  if (refused) throw new PlaygroundError('out-of-memory', refused.message, refused.fix);
  return budget;
}

const PARTS = ['sft', 'prompts', 'eval_prompts', 'preferences'] as const;

/** Tokens of a part's longest prompt, and of its longest prompt with a completion. */
interface Longest {
  prompt: number;
  whole: number;
}

/** What was last measured with a tokenizer, by part: a setting that changes no row is answered at once. */
const measured = new WeakMap<object, Map<string, { text: string; longest: Longest }>>();

/** Tokens of the longest prompt and of the longest prompt with a completion; new tokens included where a stage
 *  writes them. Rows that cannot be read are for the stages to refuse. */
async function longestRows(
  model: LanguageModel,
  { data, stages }: Experiment,
  read: ReadBytes,
): Promise<Longest> {
  const { context } = model.config;
  // What an evaluation writes is learnt from by nobody.
  const fresh = Math.max(0, ...stages.map((stage) => (stage.kind === 'evaluate' ? 0 : newTokens(stage))));
  const known = measured.get(model.weights) ?? new Map<string, { text: string; longest: Longest }>();
  measured.set(model.weights, known);
  let [prompt, whole] = [1, 1];
  for (const part of PARTS) {
    const name = data[part];
    if (name === undefined) continue;
    const text = await readSource(name, read);
    const before = known.get(part);
    const longest = before?.text === text ? before.longest : measure(model, text);
    known.set(part, { text, longest });
    prompt = Math.max(prompt, longest.prompt);
    whole = Math.max(whole, longest.whole, part === 'sft' ? 0 : longest.prompt + fresh + 1);
  }
  return { prompt: Math.min(prompt, context), whole: Math.min(whole, context) };
}

function measure({ tokenizer }: LanguageModel, text: string): Longest {
  const longest = { prompt: 1, whole: 1 };
  for (const line of text.split('\n')) {
    const row = fields(line);
    const tokens = (field: string): number => {
      const value = row[`${field}_ids`] ?? row[field];
      if (Array.isArray(value)) return value.length;
      return typeof value === 'string' ? (tokenizer?.encode(value, { special: true }).length ?? 0) : 0;
    };
    const [asked = 0, ...answers] = ['prompt', 'completion', 'chosen', 'rejected'].map(tokens);
    longest.prompt = Math.max(longest.prompt, asked);
    longest.whole = Math.max(longest.whole, asked + Math.max(...answers) + 1);
  }
  return longest;
}

function fields(line: string): Record<string, unknown> {
  try {
    return (JSON.parse(line) ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
}
