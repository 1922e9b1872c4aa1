// How `generate` is to sample, from its flags; what cannot go together is refused before a model is loaded.
import { PlaygroundError } from '../../src/shared/errors.ts';
import type { GenerateOptions } from '../../src/shared/protocol.ts';

interface Values {
  'max-new-tokens': number;
  'min-new-tokens': number;
  temperature: number;
  'top-k': number;
  'top-p': number;
  seed: number;
}

/** Throws `bad-arguments`. */
export function generateOptions(values: Values): GenerateOptions {
  const { 'max-new-tokens': maxNewTokens, 'min-new-tokens': minNewTokens } = values;
  if (minNewTokens > maxNewTokens) {
    throw new PlaygroundError(
      'bad-arguments',
      `generate: --min-new-tokens is ${minNewTokens}, and --max-new-tokens ${maxNewTokens}.`,
      `--min-new-tokens may be a whole number from 0 to ${maxNewTokens}.`,
    );
  }
  const { temperature, 'top-k': topK, 'top-p': topP, seed } = values;
  return { maxNewTokens, minNewTokens, temperature, topK, topP, seed };
}
