// GPT-2's own tokenizer as Hugging Face's files, for made models that have its vocabulary. js-tiktoken brings the pieces
// in their order; which two pieces each was merged from is not among it, but follows from the order.
import ranks from 'js-tiktoken/ranks/gpt2';

const end = '<|endoftext|>';
/** Ids; the last is the end token's. */
export const GPT2_VOCABULARY = ranks.special_tokens[end]! + 1;

/** The printable stand-in of each byte (GPT-2's `bytes_to_unicode`): itself where it is printed, else 256 and on. */
const letters = (() => {
  const printed = (byte: number): boolean =>
    (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad && byte <= 0xff);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printed(byte) ? byte : next++));
})();

/** All pieces, the earliest first; the place of a piece is its id. */
function pieces(): string[] {
  // Lines of "! first-id piece piece …", each piece its bytes in base64.
  const encoded = ranks.bpe_ranks.split('\n').flatMap((line) => line.split(' ').slice(2));
  return encoded.map((text) => Array.from(Buffer.from(text, 'base64'), (byte) => letters[byte]!).join(''));
}

/** The two pieces that `piece` was merged from: what merging what came before it, the earliest first, ends with. */
function halves(piece: string, ids: ReadonlyMap<string, number>): string {
  const parts = Array.from(piece);
  while (parts.length > 2) {
    const merged = parts.slice(1).map((part, i) => ids.get(parts[i]! + part) ?? Infinity);
    const at = merged.indexOf(Math.min(...merged));
    parts.splice(at, 2, parts[at]! + parts[at + 1]!);
  }
  return parts.join(' ');
}

/** tokenizer.json and tokenizer_config.json, to the ids those of the published models. */
export function gpt2Tokenizer(): Record<string, object> {
  const all = pieces();
  const ids = new Map(all.map((piece, id) => [piece, id]));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const special = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    'tokenizer.json': {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [{ id: all.length, content: end, ...special }],
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: { ...byteLevel, trim_offsets: false },
      decoder: byteLevel,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: '',
        end_of_word_suffix: '',
        fuse_unk: false,
        byte_fallback: false,
        vocab: Object.fromEntries([...ids, [end, all.length]]),
        merges: all.filter((piece) => piece.length > 1).map((piece) => halves(piece, ids)),
      },
    },
    'tokenizer_config.json': {
      tokenizer_class: 'GPT2Tokenizer',
      model_max_length: 1024,
      bos_token: end,
      eos_token: end,
      unk_token: end,
      add_prefix_space: false,
    },
  };
}
