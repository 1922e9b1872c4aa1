// A tokenizer for a model made of random numbers: any text goes in and comes out again, and every id of the vocabulary
// is some text. Its pieces are the bundled model's; the rest of a larger vocabulary is made-up words, which no text
// is split into but which a random model draws.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../once.mjs';

interface BpeTokenizer {
  added_tokens: { id: number; content: string }[];
  model: { vocab: Record<string, number>; merges: string[] };
}

const end = '<|endoftext|>';

/** A vocabulary smaller than this has no room for every byte: it gets printable ASCII, and an end token for the rest. */
const bytes = 257;
const characters = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));
const byCharacter = {
  pre_tokenizer: {
    type: 'Split',
    pattern: { Regex: '[\\s\\S]' },
    behavior: 'Isolated',
    invert: false,
  },
  post_processor: null,
  decoder: { type: 'Fuse' },
};

/** tokenizer.json and tokenizer_config.json for ids 0 … vocabulary − 1, of which `eosId` is the end token. */
export function standInTokenizer(vocabulary: number, eosId: number): Record<string, object> {
  const bundled = JSON.parse(
    readFileSync(join(root, 'models/stories-neo/tokenizer.json'), 'utf8'),
  ) as BpeTokenizer;
  const { vocab: known, merges } = bundled.model;
  const byIds = Object.keys(known).sort((a, b) => (known[a] ?? 0) - (known[b] ?? 0));
  const pieces = vocabulary < bytes ? characters : byIds.filter((piece) => piece !== end);
  const words = Array.from({ length: Math.max(0, vocabulary - pieces.length) }, (_, i) => `Ġw${i}`);
  const all = [...pieces, ...words].slice(0, vocabulary - 1);
  all.splice(eosId, 0, end);
  const vocab = Object.fromEntries(all.map((piece, id) => [piece, id]));
  const kept = merges.filter((merge) => vocab[merge.replace(' ', '')] !== undefined);
  return {
    'tokenizer.json': {
      ...bundled,
      added_tokens: bundled.added_tokens.map((token) => ({ ...token, id: eosId })),
      model: { ...bundled.model, vocab, merges: kept, ...(vocabulary < bytes && { unk_token: end }) },
      ...(vocabulary < bytes && byCharacter),
    },
    'tokenizer_config.json': {
      tokenizer_class: 'GPT2Tokenizer',
      bos_token: end,
      eos_token: end,
      unk_token: end,
      add_prefix_space: false,
    },
  };
}
