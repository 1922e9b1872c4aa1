// A bigram model: the next token depends on the present one alone.

import { configReader } from '../../src/model/architectures/config';
import { layersOf } from '../../src/model/architectures/layers';
import type { Architecture } from '../../src/model/types';

export const bigram: Architecture = {
  parseConfig(json, file) {
    const config = configReader(json, file);
    const width = config.count('hidden_size', 65_536);
    return {
      architecture: 'bigram',
      width,
      layers: 1,
      heads: 1,
      headDim: width,
      kvHeads: 1,
      inner: width,
      context: config.count('max_position_embeddings', 2 ** 24),
      vocabulary: config.count('vocab_size', 2 ** 24),
      epsilon: 1e-5,
      eosId: config.eosId(),
      windows: [0],
      tied: false,
    };
  },
  parameters: ({ vocabulary, width }) =>
    new Map([
      ['embed.weight', [vocabulary, width]],
      ['mix.weight', [width, width]],
      ['head.weight', [vocabulary, width]],
    ]),
  ignored: () => false,
  prefix: '',
  head: () => 'head.weight',
  linears: ({ width }) => [{ name: 'mix', inputs: width, outputs: width }],
  forward(model, input) {
    const { embed, linear } = layersOf(model, input);
    return linear('mix', embed('embed')); // [N, C]
  },
};
