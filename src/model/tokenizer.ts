// Text to token ids and back, by transformers.js from the two files of a model directory. The library is imported
// only when a model has a tokenizer, and kept from the network: nothing is fetched, its neural runtime never starts.

import { PlaygroundError } from '../shared/errors';
import { parseObject } from './json';
import type { Tokenizer } from './types';

/** From the texts of tokenizer.json and tokenizer_config.json. Throws `bad-tokenizer` naming `where`. */
export async function createTokenizer(
  json: string,
  config: string | null,
  where: string,
): Promise<Tokenizer> {
  const { PreTrainedTokenizer, env } = await import('@xenova/transformers');
  env.allowRemoteModels = false;
  env.allowLocalModels = false;
  const settings = config === null ? {} : parse(config, `${where}/tokenizer_config.json`);
  const file = `${where}/tokenizer.json`;
  const definition = parse(json, file);
  try {
    const tokenizer = new PreTrainedTokenizer(definition, settings);
    let vocabulary = 0;
    for (const id of tokenizer.get_vocab().values()) vocabulary = Math.max(vocabulary, id + 1);
    const decode: Tokenizer['decode'] = (ids, { skipSpecial }) =>
      ids.length === 0
        ? ''
        : tokenizer.decode([...ids], {
            skip_special_tokens: skipSpecial,
            clean_up_tokenization_spaces: false,
          });
    // A decoder may strip the space at the beginning of a text, so a token is read after another one.
    const before = tokenizer.encode('a', { add_special_tokens: false });
    const { length } = decode(before, { skipSpecial: false });
    return {
      encode: (text, { special }) => tokenizer.encode(text, { add_special_tokens: special }),
      decode,
      textOf: (id) => decode([...before, id], { skipSpecial: false }).slice(length),
      eosId: Number.isInteger(tokenizer.eos_token_id) ? tokenizer.eos_token_id : null,
      vocabulary,
    };
  } catch (error) {
    throw badTokenizer(file, `cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parse(text: string, file: string): object {
  const json = parseObject(text);
  if (json) return json;
  throw badTokenizer(file, 'is not a JSON object');
}

function badTokenizer(file: string, what: string): PlaygroundError {
  return new PlaygroundError(
    'bad-tokenizer',
    `${file} ${what}`,
    'Use the tokenizer files that belong to the model.',
  );
}
