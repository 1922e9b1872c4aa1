// config.json of a model, from its bytes to what its architecture makes of them: all that can be known of a model
// without its weights.

import { PlaygroundError } from '../shared/errors';
import { ARCHITECTURES } from './architectures';
import { configReader } from './architectures/config';
import { endsOf } from './end';
import { parseObject, show } from './json';
import type { Architecture, ModelConfig } from './types';

/** `file` names it in messages. Throws `bad-model`. */
export function readConfig(
  bytes: Uint8Array,
  file: string,
): { architecture: Architecture; config: ModelConfig } {
  const json = parseModelJson(bytes, file);
  const architecture = ARCHITECTURES.get(String(json['model_type']));
  if (!architecture) {
    throw new PlaygroundError(
      'bad-model',
      `${file}: "model_type" is ${show(json, 'model_type')}`,
      `Use a model of one of these types: ${[...ARCHITECTURES.keys()].join(', ')}.`,
    );
  }
  const parsed = architecture.parseConfig(json, file);
  const otherEosIds = configReader(json, file).eosIds().slice(1);
  const config = otherEosIds.length > 0 ? { ...parsed, otherEosIds } : parsed;
  const beyond = endsOf(config).find((id) => id >= config.vocabulary);
  if (beyond === undefined) return { architecture, config };
  throw new PlaygroundError(
    'bad-model',
    `${file}: "eos_token_id" is ${beyond}, but "vocab_size" is ${config.vocabulary}`,
    'Use the config.json that belongs to the weights.',
  );
}

/** A JSON file that belongs to a model. Throws `bad-model`. */
export function parseModelJson(bytes: Uint8Array, file: string): Record<string, unknown> {
  const json = parseObject(bytes);
  if (json) return json;
  throw new PlaygroundError(
    'bad-model',
    `${file} is not a JSON object`,
    'Get the file again: it is damaged.',
  );
}
