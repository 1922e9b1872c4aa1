// From rows to token ids. Prompt and completion are tokenised apart, so that no token spans the two and the loss mask
// is exact; prompts get the special tokens that the tokenizer's post-processor adds, completions none; ids in a row
// are used as they are. What does not fit the model is refused by line.

import { isEnd } from '../model/end';
import type { LanguageModel, ModelConfig } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import type { Sequence } from './batches';
import type { CompletionRow, Part, PreferenceRow, PromptRow, TextRow } from './records';

/** What of a language model the data must fit. */
export interface Reader extends Pick<LanguageModel, 'tokenizer'> {
  config: Pick<ModelConfig, 'vocabulary' | 'context' | 'eosId' | 'otherEosIds'>;
}

export interface PromptExample {
  /** As written; where the row gave ids, decoded, or the ids themselves if there is no tokenizer. */
  text: string;
  ids: number[];
}

export interface CompletionExample extends Sequence {
  /** The prompt's text. */
  prompt: string;
  ids: number[];
}

/** Both sides with their prompt in front. */
export interface PreferenceExample {
  prompt: string;
  chosen: CompletionExample;
  rejected: CompletionExample;
  margin?: number;
}

/** Prompts to be completed by up to `newTokens`. Throws `bad-data`, or `too-long` if one would leave the context. */
export function encodePrompts(
  rows: readonly PromptRow[],
  source: string,
  model: Reader,
  newTokens: number,
): PromptExample[] {
  const { context } = model.config;
  return rows.map((row) => {
    const at = { source, line: row.line, model };
    const ids = promptIds(row.prompt, at);
    if (ids.length + newTokens <= context) return { text: textOf(row.prompt, model), ids };
    throw tooLong(
      at,
      `${fieldOf(row.prompt, 'prompt')} has ${ids.length} tokens; with ${newTokens} new ones it leaves the model’s context of ${context}`,
      'Shorten the prompt, or ask for shorter completions.',
    );
  });
}

/**
 * Prompts with their completions. `eos` appends the model's end token to texts unless it is there. A row that leaves the
 * context is refused with `too-long`, or, with `truncate`, loses its end (TRL's keep_start), and its line is told; a
 * prompt that leaves no room for one token of completion is always refused.
 */
export function encodeCompletions(
  rows: readonly CompletionRow[],
  source: string,
  model: Reader,
  { eos, truncate }: { eos: boolean; truncate: boolean },
): { examples: CompletionExample[]; truncated: number[] } {
  const { context } = model.config;
  const truncated: number[] = [];
  const examples = rows.map((row) => {
    const at = { source, line: row.line, model };
    const prompt = promptIds(row.prompt, at);
    const completion = completionIds(row.completion, 'completion', eos, at);
    const length = prompt.length + completion.length;
    leaveRoom(prompt, row.prompt, at);
    if (length > context && !truncate) {
      throw tooLong(
        at,
        `prompt and completion have ${prompt.length} + ${completion.length} tokens, the model’s context ${context}`,
        'Shorten the row, or use a model with a longer context.',
      );
    }
    if (length > context) truncated.push(row.line);
    const ids = [...prompt, ...completion].slice(0, context);
    return { prompt: textOf(row.prompt, model), ids, promptLength: prompt.length };
  });
  return { examples, truncated };
}

/**
 * Pairs, each side's text ending in the model's end token. Like TRL's, a pair with a side beyond the context is left out, and
 * its line is told: a completion cut short cannot be judged. Throws `too-long` for a prompt that leaves no room for one, and
 * when no pair is left.
 */
export function encodePreferences(
  rows: readonly PreferenceRow[],
  source: string,
  model: Reader,
): { examples: PreferenceExample[]; dropped: number[] } {
  const { context } = model.config;
  const dropped: number[] = [];
  const examples = rows.flatMap((row) => {
    const at = { source, line: row.line, model };
    const prompt = textOf(row.prompt, model);
    // Texts that part at once have no prompt, and a reward model needs none.
    const shared = encodePart(row.prompt, 'prompt', true, at);
    leaveRoom(shared, row.prompt, at);
    const side = (part: Part, field: string): CompletionExample => ({
      prompt,
      ids: [...shared, ...completionIds(part, field, true, at)],
      promptLength: shared.length,
    });
    const pair = {
      prompt,
      chosen: side(row.chosen, 'chosen'),
      rejected: side(row.rejected, 'rejected'),
      ...(row.margin !== undefined && { margin: row.margin }),
    };
    if (Math.max(pair.chosen.ids.length, pair.rejected.ids.length) <= context) return [pair];
    dropped.push(row.line);
    return [];
  });
  if (examples.length === 0) {
    throw new PlaygroundError(
      'too-long',
      `${source}: every pair is longer than the model’s context of ${context} tokens.`,
      'Shorten the texts, or use a model with a longer context.',
    );
  }
  return { examples, dropped };
}

/**
 * A document to learn a language from: what the tokenizer puts before a text, or else the model's end token, then the
 * text, then the end token; ids as they are. Throws `bad-data`, also for a document of one token, which teaches nothing.
 */
export function encodeText(row: TextRow, source: string, model: Reader): number[] {
  const at = { source, line: row.line, model };
  const body = encodePart(row.text, 'text', true, at);
  const { eosId } = model.config;
  const begun = (model.tokenizer?.encode('', { special: true }).length ?? 0) > 0;
  const ids =
    typeof row.text !== 'string' || eosId === null
      ? body
      : [...(begun ? [] : [eosId]), ...body, ...(isEnd(model.config, body.at(-1)) ? [] : [eosId])];
  if (ids.length >= 2) return ids;
  throw bad(at, 'the text is a single token, and there is nothing to predict', 'Remove the row.');
}

/** Where a part stands and what must read it. */
interface Place {
  source: string;
  line: number;
  model: Reader;
}

/** Refuses a prompt after which there is no room for a single token. */
function leaveRoom(ids: readonly number[], prompt: Part, at: Place): void {
  const { context } = at.model.config;
  if (ids.length < context) return;
  throw tooLong(
    at,
    `${fieldOf(prompt, 'prompt')} alone has ${ids.length} tokens, the model’s context ${context}`,
    'Shorten the prompt, or use a model with a longer context.',
  );
}

/** A part's column as it stands in the file. */
const fieldOf = (part: Part, field: string): string =>
  typeof part === 'string' ? `"${field}"` : `"${field}_ids"`;

function promptIds(prompt: Part, at: Place): number[] {
  const ids = encodePart(prompt, 'prompt', true, at);
  if (ids.length > 0) return ids;
  throw bad(
    at,
    'the prompt has no tokens',
    'Begin it with at least one token, such as the end-of-text token.',
  );
}

function completionIds(completion: Part, field: string, eos: boolean, at: Place): number[] {
  const ids = encodePart(completion, field, false, at);
  const { config } = at.model;
  const { eosId } = config;
  return eos && typeof completion === 'string' && eosId !== null && !isEnd(config, ids.at(-1))
    ? [...ids, eosId]
    : ids;
}

function encodePart(part: Part, field: string, special: boolean, at: Place): number[] {
  const { tokenizer, config } = at.model;
  if (typeof part !== 'string') {
    const outside = part.find((id) => id >= config.vocabulary);
    if (outside === undefined) return [...part];
    throw bad(
      at,
      `"${field}_ids" holds ${outside}, and the model’s tokens end at ${config.vocabulary - 1}`,
      'Use ids of this model’s own tokenizer.',
    );
  }
  if (tokenizer) return tokenizer.encode(part, { special });
  throw bad(at, `"${field}" is a text, and the model has no tokenizer`, `Give token ids as "${field}_ids".`);
}

function textOf(part: Part, { tokenizer }: Reader): string {
  if (typeof part === 'string') return part;
  return tokenizer ? tokenizer.decode(part, { skipSpecial: true }) : part.join(' ');
}

function bad({ source, line }: Place, what: string, fix: string): PlaygroundError {
  return new PlaygroundError('bad-data', `${source}, line ${line}: ${what}.`, fix);
}

function tooLong({ source, line }: Place, what: string, fix: string): PlaygroundError {
  return new PlaygroundError('too-long', `${source}, line ${line}: ${what}.`, fix);
}
